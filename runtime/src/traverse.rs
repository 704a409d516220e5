//! How the parts of a module are found.

#[doc(inline)]
pub use crate::module::{Node, Parameter, Site, SubModule, SubModules, Traverse, Walker, WalkerMut};
