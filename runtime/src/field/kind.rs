//! The kinds of a field's values, and how the compiler finds the kind of a type.

use std::marker::PhantomData;

/// How a field's value reaches the model.
///
/// The field's type decides: `#[signature]` asks it. An output is always a [`Value`](FieldKind::Value).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldKind {
    /// Text or JSON in the user message, at the field's place.
    #[default]
    Value,
    /// The earlier turns of a conversation, each a pair of messages of its own: [`History`](crate::History).
    ///
    /// Adapters do not see such a field among the inputs of a [`Task`](crate::adapter::Task). A task has one; any further one is a value.
    Turns,
    /// An image, a recording or a file, at the field's place in the user message.
    ///
    /// No type declares this kind yet. An adapter finds such a field among the inputs, at its place, with this
    /// [kind](crate::adapter::TaskField::kind), and the adapters of this crate write it as they write a value: as its JSON.
    Media,
}

/// A type whose fields are not of the kind [`FieldKind::Value`].
#[doc(hidden)]
pub trait HasKind {
    /// The kind.
    const KIND: FieldKind;
}

/// The kind of a type's fields: `KindOf::<T>::KIND`, where `T` is known and [`OrValue`] in scope. A constant of the type's own goes
/// before the trait's, so that this answers for every type, and a type that is none is one error elsewhere.
#[doc(hidden)]
#[derive(Debug)]
pub struct KindOf<T: ?Sized>(PhantomData<fn() -> Box<T>>);

impl<T: HasKind + ?Sized> KindOf<T> {
    /// What the type says.
    pub const KIND: FieldKind = T::KIND;
}

/// Answers for all types that do not say their kind.
#[doc(hidden)]
pub trait OrValue {
    /// A value.
    const KIND: FieldKind = FieldKind::Value;
}

impl<T: ?Sized> OrValue for KindOf<T> {}
