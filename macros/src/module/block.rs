//! The checked model of an impl block.

use proc_macro2::{Group, TokenStream};
use syn::{Attribute, FnArg, Generics, Ident, Receiver, Token, Type};

/// A checked impl block.
pub(crate) enum Checked {
    /// One that becomes `impl Module`.
    Module(Box<Block>),
    /// One that is for something else; it stays as it is.
    Other(TokenStream),
}

/// A checked block of a module.
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    pub(crate) self_ty: Type,
    /// The input of `forward`, as far as it is right.
    pub(crate) input: Input,
    /// The return type of `forward`; `None` if it is missing or wrong.
    pub(crate) output: Option<Type>,
    /// `None` if it is missing or wrong: a stand-in takes its place.
    pub(crate) forward: Option<Forward>,
    /// Items besides `forward`.
    pub(crate) others: Vec<TokenStream>,
    /// The block's text.
    pub(crate) source: String,
}

/// A checked `forward`.
pub(crate) struct Forward {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) async_token: Token![async],
    pub(crate) fn_token: Token![fn],
    pub(crate) ident: Ident,
    pub(crate) receiver: Receiver,
    pub(crate) body: Group,
}

/// The input of `forward`.
pub(crate) enum Input {
    /// Nothing: `()`.
    None,
    /// One argument as it is; its type is the module's input.
    One(FnArg, Box<Type>),
    /// Several: a struct of this name is generated from them.
    Struct(Ident, Vec<Argument>),
}

/// One of several arguments.
pub(crate) struct Argument {
    /// Attributes that hold for the field as for the argument, such as `cfg`.
    pub(crate) attributes: Vec<Attribute>,
    /// Its doc comments, which only a field can have.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}
