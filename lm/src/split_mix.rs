//! The numbers of SplitMix64 (Steele, Lea and Flood: "Fast Splittable Pseudorandom Number Generators", 2014).

/// The step from one state to the next.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The random number of a state.
pub fn mixed(state: u64) -> u64 {
    let mut bits = state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_numbers_are_those_of_splitmix64() {
        // The first outputs for the seed 1234567, as published with the generator.
        let mut state = 1_234_567_u64;
        for expected in [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423] {
            state = state.wrapping_add(STEP);
            assert_eq!(mixed(state), expected);
        }
    }
}
