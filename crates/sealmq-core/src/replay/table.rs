use super::probe::probe;

/// Places for the entries of one kind: an array on devices, `Vec` or `Box<[_]>` of as many places
/// as there will ever be, or on hosts one that grows with its entries.
///
/// An array finds its entries by hash within a run of at most 64 places. Give it about twice as
/// many places as there are senders (or topics, or sessions): entries that find no place push
/// out others, and what is pushed out is refused from then on until it starts a newer session.
///
/// Each place has a number, which is its own as long as there is an entry in it.
pub trait Table<T> {
    /// The places that there are have the numbers below this.
    fn places(&self) -> usize;

    /// The place of this number.
    fn get(&self, place: usize) -> Option<&T>;

    /// The place of this number, to be changed.
    fn get_mut(&mut self, place: usize) -> Option<&mut T>;

    /// Where an entry with this hash can be.
    fn candidates(&self, hash: u64) -> impl Iterator<Item = usize>;

    /// Where those are of which one has to go if there is no free place for an entry with this hash.
    fn rivals(&self, hash: u64) -> impl Iterator<Item = usize>;

    /// A free place in which an entry with this hash will be found. The caller puts one there.
    fn free(&mut self, hash: u64, is_free: impl Fn(&T) -> bool) -> Option<usize>;

    /// The entry in a place, with the first hash, makes room for another one, with the second.
    fn replaced(&mut self, place: usize, before: u64, hash: u64) {
        let _ = (place, before, hash);
    }

    /// The entry in a place, with this hash, is gone.
    fn freed(&mut self, place: usize, hash: u64) {
        let _ = (place, hash);
    }
}

impl<T, S: AsRef<[T]> + AsMut<[T]>> Table<T> for S {
    fn places(&self) -> usize {
        self.as_ref().len()
    }

    fn get(&self, place: usize) -> Option<&T> {
        self.as_ref().get(place)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.as_mut().get_mut(place)
    }

    fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        probe(hash, self.places())
    }

    fn rivals(&self, hash: u64) -> impl Iterator<Item = usize> {
        probe(hash, self.places())
    }

    fn free(&mut self, hash: u64, is_free: impl Fn(&T) -> bool) -> Option<usize> {
        self.candidates(hash)
            .find(|place| self.get(*place).is_some_and(&is_free))
    }
}
