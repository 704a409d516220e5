//! The raw model: what the user wrote, sorted but not judged.

use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Visibility};

use super::role::Role;
use crate::{
    attributes::Setting,
    derives::{CARRIER, Carried},
    diagnostics::{Diagnostics, nearest},
};

/// A struct under `#[signature]`.
pub(crate) struct RawSignature {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) carried: Carried,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) body: Body,
}

/// The kinds of struct.
pub(crate) enum Body {
    Named(Vec<RawField>),
    Tuple(Fields),
    Unit,
}

/// A field of it.
pub(crate) struct RawField {
    pub(crate) field: syn::Field,
    /// Every role that it is marked with, as written.
    pub(crate) marks: Vec<RoleMark>,
    /// The role that a misspelt attribute probably means. rustc reports that attribute itself, with a correction.
    pub(crate) misspelt: Option<Role>,
}

/// An `#[input]` or `#[output]`.
pub(crate) struct RoleMark {
    pub(crate) role: Role,
    pub(crate) attribute: Attribute,
    pub(crate) settings: Vec<Setting>,
}

impl RawSignature {
    /// Sorts a struct's attributes and fields. Only what stands inside of an attribute can be wrong here.
    pub(crate) fn parse(item: DeriveInput, diagnostics: &mut Diagnostics) -> Self {
        let carried = Carried::read(&item.attrs);
        let body = match item.data {
            Data::Struct(data) => match data.fields {
                Fields::Named(fields) => Body::Named(
                    fields.named.into_iter().map(|field| RawField::parse(field, diagnostics)).collect(),
                ),
                Fields::Unit => Body::Unit,
                fields @ Fields::Unnamed(_) => Body::Tuple(fields),
            },
            // The attribute lets nothing but structs through.
            Data::Enum(_) | Data::Union(_) => Body::Unit,
        };
        let attributes =
            item.attrs.into_iter().filter(|attribute| !attribute.path().is_ident(CARRIER)).collect();
        Self { attributes, carried, visibility: item.vis, ident: item.ident, generics: item.generics, body }
    }
}

impl RawField {
    fn parse(mut field: syn::Field, diagnostics: &mut Diagnostics) -> Self {
        let mut marks = Vec::new();
        let mut misspelt = None;
        let mut kept = Vec::new();
        for attribute in std::mem::take(&mut field.attrs) {
            let role = Role::ALL.into_iter().find(|role| attribute.path().is_ident(role.word()));
            match role {
                Some(role) => {
                    let settings = role.grammar().read(&attribute, diagnostics);
                    marks.push(RoleMark { role, attribute, settings });
                }
                None => match meant(&attribute) {
                    Some(role) => misspelt = Some(role),
                    None => kept.push(attribute),
                },
            }
        }
        field.attrs = kept;
        Self { field, marks, misspelt }
    }
}

/// The role that an attribute with an unknown name probably means.
fn meant(attribute: &Attribute) -> Option<Role> {
    let name = attribute.path().get_ident()?.to_string();
    let word = nearest(&name, Role::ALL.map(Role::word))?;
    Role::ALL.into_iter().find(|role| role.word() == word)
}
