//! What the compiler asks of karat's own modules in a `#[module]` struct: whether the field that they add clashes with one of the
//! signature's. It stands apart since a module from outside of karat cannot answer it; see [`Probe`].

use super::{
    chain_of_thought::{self, ChainOfThought},
    multi_chain_comparison::{self, MultiChainComparison},
};
use crate::{
    Signature,
    signature::{Clash, Probe},
};

impl<S: Signature> Probe<ChainOfThought<S>> {
    #[doc(hidden)]
    pub const CLASH: Clash = Clash::of::<S>(
        chain_of_thought::NAME,
        "`ChainOfThought` adds the output `reasoning`, and this signature has a field of that name: use `Predict` for it, or \
         rename the field",
    );
}

impl<S: Signature> Probe<MultiChainComparison<S>> {
    #[doc(hidden)]
    pub const CLASH: Clash = Clash::of::<S>(
        multi_chain_comparison::NAME,
        "`MultiChainComparison` adds the output `rationale`, and this signature has a field of that name: rename the field",
    );
}
