//! What a rollout sets on a predictor beside its temperature: ids that no other rollout uses, and hints.

use karat_lm::internal::{STEP, mixed};

use super::Predictor;
use crate::field::Field;

/// The field in which a predictor's prompt carries its hint; named as DSPy does, so that a field `hint` of the user's own
/// stays apart.
const HINT: Field =
    Field::input::<String>("hint_", "Advice from earlier attempts at this same task; follow it.");

impl Predictor {
    /// The id at which so many rollouts of this predictor begin: its [`rollout_id`](Predictor::rollout_id). A wrapper that is made
    /// anew inside of a module's `forward` is not seen by the wrappers around that module, which leave no
    /// [room](Predictor::rollout_room) for its ids: those begin elsewhere, far from all others, and at the same id in every process.
    pub fn first_rollout_id(&self, rollouts: u64) -> u64 {
        let start = self.rollout_id();
        match self.rollout_room() {
            Some(room) if rollouts > room => far_from(start),
            _ => start,
        }
    }

    /// Adds a hint to those that outer runs have given: a text that the model sees in the last message of this run, and that is in no
    /// trace and no demo.
    pub fn add_hint(&mut self, hint: &str) {
        let outer = self.run_inputs().iter().find(|(field, _)| field.name() == HINT.name());
        let text = match outer.and_then(|(_, value)| value.as_str()) {
            Some(outer) => format!("{outer}\n{hint}"),
            None => hint.to_owned(),
        };
        self.set_run_input(HINT, text);
    }
}

/// An id that other starts hardly ever come near, the same in every process.
fn far_from(id: u64) -> u64 {
    mixed(id.wrapping_add(STEP)) >> 2 | 1 << 62
}

#[cfg(test)]
mod tests {
    use super::far_from;

    #[test]
    fn an_id_far_from_another_is_splitmix64s_number_with_its_second_bit_set() {
        // The first outputs for the seeds 0 and 1234567, as published with the generator.
        for (seed, number) in [(0, 0xe220_a839_7b1d_cdaf_u64), (1_234_567, 6_457_827_717_110_365_317)] {
            assert_eq!(far_from(seed), number >> 2 | 1 << 62);
        }
    }
}
