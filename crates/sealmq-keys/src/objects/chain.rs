use sealmq_core::crypto::Digest;
use sealmq_core::object::ObjectError;

/// How an epoch refers to the ones before it, in announcements and welcomes (spec/keys.md §5).
pub(crate) fn check_chain(
    epoch: u64,
    previous: &Digest,
    healing_epoch: u64,
    healing: &Digest,
) -> Result<(), ObjectError> {
    if epoch == 0 {
        return Err(ObjectError::Field("epoch"));
    }
    if (epoch == 1) != (*previous == Digest::ZERO) {
        return Err(ObjectError::Field("previous"));
    }
    if healing_epoch >= epoch {
        return Err(ObjectError::Field("healing_epoch"));
    }
    let none = *healing == Digest::ZERO;
    let same_epoch = healing_epoch.checked_add(1) == Some(epoch) && healing_epoch != 0;
    if (healing_epoch == 0) != none || (same_epoch && healing != previous) {
        return Err(ObjectError::Field("healing"));
    }
    Ok(())
}
