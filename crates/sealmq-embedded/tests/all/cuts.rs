//! The log in flash: power cuts at every byte of every write, and within erases.

use embedded_storage::nor_flash::NorFlash;

use sealmq_embedded::flash::{FlashError, Log, Put};

use crate::nor::{Noise, Nor};

const SLOTS: u8 = 6;

type Flash<const PAGE: usize, const WORD: usize> = Nor<PAGE, WORD>;
type Store<F> = Log<F, { SLOTS as usize }>;

/// What stands in each slot, and what changes of it are based on.
#[derive(Clone, PartialEq, Debug, Default)]
struct Model([(Vec<u8>, Vec<u8>); SLOTS as usize]);

#[derive(Clone)]
struct Change {
    slot: u8,
    value: Vec<u8>,
    offset: Option<u16>,
}

impl Model {
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let (value, whole) = &mut self.0[usize::from(change.slot)];
            match change.offset {
                Some(offset) => {
                    value.clone_from(whole);
                    let range = usize::from(offset)..usize::from(offset) + change.value.len();
                    value[range].copy_from_slice(&change.value);
                }
                None => {
                    value.clone_from(&change.value);
                    whole.clone_from(&change.value);
                }
            }
        }
    }

    /// One to three changes.
    fn draw(&self, noise: &mut Noise, longest: u64) -> Vec<Change> {
        let mut after = self.clone();
        (0..=noise.below(3))
            .map(|_| {
                let slot = noise.below(SLOTS.into()) as u8;
                let whole = after.0[usize::from(slot)].1.len() as u64;
                let change = if whole > 0 && noise.below(2) == 0 {
                    let offset = noise.below(whole);
                    let len = 1 + noise.below((whole - offset).min(24));
                    (len, Some(offset as u16))
                } else {
                    let long = noise.below(4) == 0;
                    (noise.below(if long { longest } else { 40 }), None)
                };
                let value = (0..change.0).map(|_| noise.next() as u8).collect();
                let change = Change {
                    slot,
                    value,
                    offset: change.1,
                };
                after.apply(std::slice::from_ref(&change));
                change
            })
            .collect()
    }
}

fn put<F: NorFlash>(log: &mut Store<F>, changes: &[Change]) -> Result<(), FlashError<F::Error>> {
    log.put_all(changes.iter().map(|change| Put {
        slot: change.slot,
        value: &change.value,
        offset: change.offset,
    }))
}

fn open<const P: usize, const W: usize>(flash: Flash<P, W>) -> (Store<Flash<P, W>>, Model) {
    let region = flash.region();
    let mut log = Store::open(flash, region).unwrap();
    let mut model = Model::default();
    for slot in 0..SLOTS {
        let mut out = [0; 1024];
        let len = log.read(slot, &mut out).unwrap();
        model.0[usize::from(slot)].0 = out[..len].to_vec();
        let len = log.read_whole(slot, &mut out).unwrap();
        model.0[usize::from(slot)].1 = out[..len].to_vec();
    }
    (log, model)
}

/// Until the power goes, which may be while the store is opened.
fn try_put<const P: usize, const W: usize>(
    mut flash: Flash<P, W>,
    changes: &[Change],
) -> Flash<P, W> {
    let region = flash.region();
    match Store::open(&mut flash, region) {
        Ok(mut log) => drop(put(&mut log, changes)),
        Err(error) => assert_eq!(error, FlashError::Driver(crate::nor::Cut)),
    }
    flash
}

fn assert_is(read: &Model, before: &Model, after: &Model, case: &str) {
    assert!(read == before || read == after, "{case}");
}

fn cut_everywhere<const P: usize, const W: usize>(pages: usize, longest: u64, steps: u64) -> u64 {
    let mut noise = Noise(longest);
    let mut cases = 0;
    let (mut log, mut model) = open(Flash::<P, W>::new(pages));
    for step in 0..steps {
        let changes = model.draw(&mut noise, longest);
        let mut after = model.clone();
        after.apply(&changes);
        let mut flash = log.into_driver();
        flash.work = 0;
        let (mut whole, _) = open(flash.clone());
        put(&mut whole, &changes).unwrap();
        let done = whole.into_driver();
        for at in 0..done.work {
            let case = format!("step {step}, cut after {at}");
            let mut cut = flash.clone();
            cut.left = Some(at);
            cut.noise = Noise(noise.next());
            let mut flash = try_put(cut, &changes);
            assert_eq!(flash.left, Some(0), "{case}");
            // The next start may be cut, too, and the one after.
            for _ in 0..2 {
                flash.left = None;
                let (log, read) = open(flash);
                assert_is(&read, &model, &after, &case);
                flash = log.into_driver();
                flash.left = Some(noise.below(done.work.max(1)));
                flash = try_put(flash, &changes);
            }
            flash.left = None;
            let (mut log, read) = open(flash);
            assert_is(&read, &model, &after, &case);
            // It goes on.
            let more = read.draw(&mut noise, longest);
            let mut then = read.clone();
            then.apply(&more);
            put(&mut log, &more).unwrap();
            let (_, read) = open(log.into_driver());
            assert_is(&read, &then, &then, &case);
            cases += 1;
        }
        let (next, read) = open(done);
        assert_is(&read, &after, &after, "whole");
        (log, model) = (next, read);
    }
    cases
}

#[test]
fn a_transaction_is_whole_or_not_there_wherever_it_is_cut() {
    let cases = [
        cut_everywhere::<256, 4>(16, 300, 50),
        cut_everywhere::<128, 1>(24, 100, 32),
        cut_everywhere::<512, 32>(12, 600, 10),
    ];
    println!("{cases:?} cases");
    assert!(cases.iter().sum::<u64>() >= 10_000);
}

#[test]
fn pages_are_worn_alike_and_what_is_full_says_so() {
    let flash = Flash::<256, 4>::new(16);
    let (mut log, mut model) = open(flash);
    let mut noise = Noise(3);
    for _ in 0..5_000 {
        let changes = model.draw(&mut noise, 100);
        model.apply(&changes);
        put(&mut log, &changes).unwrap();
    }
    let flash = log.into_driver();
    let (least, most) = (flash.erases.iter().min(), flash.erases.iter().max());
    assert!(most.unwrap() - least.unwrap() <= 1, "{:?}", flash.erases);
    let (mut log, read) = open(flash);
    assert_is(&read, &model, &model, "at the end");
    let large = vec![1; 900];
    let full = (0..SLOTS).map(|slot| Put {
        slot,
        value: &large,
        offset: None,
    });
    let results: Vec<_> = full.map(|put| log.put_all(std::iter::once(put))).collect();
    assert!(results.contains(&Err(FlashError::Full)), "{results:?}");
    let (_, read) = open(log.into_driver());
    assert!(read.0.iter().all(|(value, _)| value.len() <= 900));
}
