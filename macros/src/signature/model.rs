//! The checked model: all that an expansion needs, with nothing left that could be wrong.

use quote::format_ident;
use syn::{Attribute, Expr, Ident, Item, LitStr, Path, Type, Visibility};

use super::role::Role;
use crate::{docs::Text, rules::Rule};

/// A checked signature.
pub(crate) struct Signature {
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    /// `QaInput` and `QaOutput`.
    pub(crate) halves: [Ident; 2],
    pub(crate) instructions: Text,
    /// Attributes that the generated structs share with the user's.
    pub(crate) attributes: Vec<Attribute>,
    /// The user's derives.
    pub(crate) derives: Vec<Path>,
    /// In declared order.
    pub(crate) fields: Vec<Field>,
    /// True for a stand-in: the user's item has no fields that could be joined and split.
    pub(crate) is_stub: bool,
}

/// A checked field.
pub(crate) struct Field {
    pub(crate) role: Role,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// True if the type was reported, so that the engine is not to be asked about it.
    pub(crate) is_foreign: bool,
    /// Attributes that the field shares with that of the generated struct, docs among them.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) name: String,
    pub(crate) description: Text,
    pub(crate) aliases: Vec<LitStr>,
    /// The value in place of one that the model leaves out.
    pub(crate) default: Option<Expr>,
    /// The rules for its values.
    pub(crate) rules: Vec<Rule>,
}

impl Signature {
    /// A signature with no fields yet.
    pub(crate) fn new(visibility: Visibility, ident: Ident) -> Self {
        let halves = [format_ident!("{ident}Input"), format_ident!("{ident}Output")];
        Self {
            visibility,
            ident,
            halves,
            instructions: Text::default(),
            attributes: Vec::new(),
            derives: Vec::new(),
            fields: Vec::new(),
            is_stub: false,
        }
    }

    /// The stand-in for an enum that was taken for a signature, so that programs which name it get no second error. Nothing can
    /// stand in for a generic one, nor for a union, which is neither `Clone` nor `Debug`.
    pub(crate) fn stub_of(item: &Item) -> Option<Self> {
        match item {
            Item::Enum(item) if item.generics.params.is_empty() => {
                Some(Self { is_stub: true, ..Self::new(item.vis.clone(), item.ident.clone()) })
            }
            _ => None,
        }
    }

    /// The fields of one role, in declared order.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.role == role)
    }
}
