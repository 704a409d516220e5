//! The memory of fields that a program makes, counted by the allocator, in a test binary of its own: no other test allocates
//! meanwhile.

use karat::{MultiChainComparison, signature};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// What may come and go beside the fields, e.g. in the test's own thread.
const SLACK: usize = 1 << 10;

// One test: there is one allocator.
#[test]
fn a_comparison_that_is_dropped_frees_the_names_of_its_fields() {
    // The signature's own table stays.
    drop(MultiChainComparison::<Qa>::new(1));
    let before = ALLOCATOR.current_usage();
    for attempts in [1, 50, 100, 150] {
        let comparison = MultiChainComparison::<Qa>::new(attempts);
        let (inputs, _) = comparison.predict().predictor().field_names();
        assert_eq!(inputs[attempts], format!("reasoning_attempt_{attempts}"));
        let held = ALLOCATOR.current_usage() - before;
        assert!(held > attempts * "reasoning_attempt_1".len(), "{attempts} attempts in {held} bytes");
    }
    let left = ALLOCATOR.current_usage().saturating_sub(before);
    assert!(left <= SLACK, "{left} bytes are left");
}
