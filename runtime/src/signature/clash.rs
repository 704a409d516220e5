//! What the compiler can say of a module's fields: that a module adds a field which its signature has itself.

use std::marker::PhantomData;

use super::{Fields, Signature};

/// Whether a type adds a field to a signature that has one of that name: `Probe::<T>::CLASH`. Of most types the trait [`NoClash`]
/// answers; a module that adds a field answers for itself, by a constant of its own that goes before the trait's.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<fn() -> Box<T>>);

/// Answers for all types that do not answer themselves.
pub trait NoClash {
    /// No clash.
    const CLASH: Clash = Clash(None);
}

impl<T: ?Sized> NoClash for Probe<T> {}

/// The message about a clash, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Clash(Option<&'static str>);

impl Clash {
    /// A clash with this message if the signature has a field of this name.
    pub(crate) const fn of<S: Signature>(name: &str, message: &'static str) -> Self {
        let is_there = has(<S::Input as Fields>::NAMES, name) || has(<S::Output as Fields>::NAMES, name);
        Self(if is_there { Some(message) } else { None })
    }

    /// Ends the compilation with the message.
    #[track_caller]
    pub const fn report(self) {
        if let Some(message) = self.0 {
            // Evaluated by the compiler alone: it is how a constant says what is wrong.
            #[allow(clippy::panic)]
            {
                panic!("{}", message)
            }
        }
    }
}

const fn has(names: &[&str], name: &str) -> bool {
    let mut index = 0;
    while index < names.len() {
        if is_same(names[index].as_bytes(), name.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}
