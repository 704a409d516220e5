//! Checks the raw model and makes the checked one: every rule about signatures is here.

use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Expr, Meta, Type};

use super::{
    model::{Field, Signature},
    parse::{Body, RawField, RawSignature, RoleMark},
    role::Role,
};
use crate::{
    attributes::{Setting, Value},
    diagnostics::Diagnostics,
    docs::Text,
    naming::{self, Case},
    types,
};

const EXAMPLE: &str = "`struct Qa { #[input] question: String, #[output] answer: String }`";

/// Checks a signature. What is wrong is reported, and what can be known in spite of it still goes into the model, so that the rest of
/// the user's program gets no second wave of errors. `None` only where not even stand-ins can be written.
pub(crate) fn check(raw: RawSignature, diagnostics: &mut Diagnostics) -> Option<Signature> {
    let plain = check_generics(&raw, diagnostics);
    for attribute in &raw.attributes {
        if let Some(role) = Role::ALL.into_iter().find(|role| attribute.path().is_ident(role.word())) {
            let word = role.word();
            diagnostics
                .at(attribute, format!("`#[{word}]` marks a field: put it on each field of that role"));
        }
    }

    let mut signature = Signature::new(raw.visibility, raw.ident);
    signature.instructions = Text::of_docs(&raw.attributes);
    signature.derives = raw.carried.derives.into_iter().collect();
    match raw.body {
        Body::Named(fields) => {
            let case = naming::case(&raw.attributes, diagnostics);
            signature.fields = check_fields(fields, case, diagnostics);
            if plain {
                check_types(&mut signature.fields, diagnostics);
            }
            if signature.of(Role::Output).next().is_none() {
                diagnostics.at(
                    &signature.ident,
                    "a signature needs a field for the model to fill: mark at least one with `#[output]`",
                );
            }
        }
        Body::Tuple(fields) => {
            signature.is_stub = true;
            diagnostics
                .at(fields, format!("a signature's fields need names, since prompts show them: {EXAMPLE}"));
        }
        Body::Unit => {
            signature.is_stub = true;
            diagnostics.at(&signature.ident, format!("a signature needs fields: {EXAMPLE}"));
        }
    }
    signature.attributes = raw.attributes.into_iter().filter(is_shared).collect();
    plain.then_some(signature)
}

/// A signature is one fixed task; true if it has no parameters.
fn check_generics(raw: &RawSignature, diagnostics: &mut Diagnostics) -> bool {
    let name = &raw.ident;
    if raw.generics.lifetimes().next().is_some() {
        let message = format!(
            "a signature owns its values, since runs are spawned and traces outlive them: give `{name}` no lifetimes, and use \
             `String` in place of `&str`"
        );
        diagnostics.at(&raw.generics, message);
    } else if !raw.generics.params.is_empty() {
        let message = format!(
            "a signature is one fixed task and cannot be generic: give `{name}` concrete field types; a generic module can \
             still take any signature, as `Predict<S>` does"
        );
        diagnostics.at(&raw.generics, message);
    } else if let Some(clause) = &raw.generics.where_clause {
        diagnostics.at(clause, "a signature is one fixed task: remove the where clause");
    }
    raw.generics.params.is_empty() && raw.generics.where_clause.is_none()
}

/// Which of the struct's attributes the generated structs get too. Docs are theirs alone, derives are carried apart.
fn is_shared(attribute: &Attribute) -> bool {
    let own = ["derive", "input", "output"].iter().any(|word| attribute.path().is_ident(word));
    !own && (!attribute.path().is_ident("doc") || is_hidden_doc(attribute))
}

/// `#[doc(hidden)]`.
fn is_hidden_doc(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "hidden")
}

fn check_fields(raw: Vec<RawField>, case: Case, diagnostics: &mut Diagnostics) -> Vec<Field> {
    let mut taken: Vec<String> = Vec::new();
    let mut fields: Vec<Field> = Vec::new();
    let mut aliases = Vec::new();
    let first_known = raw.iter().find_map(|field| field.marks.first().map(|mark| mark.role));
    let mut guess = first_known.unwrap_or(Role::Input);
    for RawField { field, marks, misspelt } in raw {
        let Some(ident) = field.ident else { continue };
        let role = match check_role(&marks, diagnostics).or(misspelt) {
            Some(role) => role,
            None => {
                let message = format!(
                    "the field `{}` has no role: mark it `#[input]` if the program gives it, `#[output]` if the model does",
                    naming::bare(&ident)
                );
                diagnostics.at(&ident, message);
                // Fields of one role mostly stand together.
                guess
            }
        };
        guess = role;

        let name = naming::wire_name(&ident, &field.attrs, case, diagnostics);
        if let Some(flaw) = naming::flaw(&name.text) {
            let message = match name.text == naming::bare(&ident) {
                true => format!(
                    "the name `{}` {flaw}: rename the field, or add `#[serde(rename = \"..\")]`",
                    name.text
                ),
                false => format!("the name {:?} {flaw}: choose another", name.text),
            };
            diagnostics.at_span(name.span, message);
        } else if taken.contains(&name.text) {
            diagnostics
                .at_span(name.span, format!("two fields are called `{}` in prompts: rename one", name.text));
        }
        taken.push(name.text.clone());

        let mut description = Text::of_docs(&field.attrs);
        let mut default = None;
        let mut rules = Vec::new();
        for Setting { word, value } in marks.into_iter().flat_map(|mark| mark.settings) {
            match value {
                Value::Text(text) => description = Text::of_value(&text),
                Value::Texts(texts) => aliases.push((fields.len(), texts)),
                Value::Default(Some(value)) => default = Some(value),
                Value::Default(None) => {
                    let ty = &field.ty;
                    let own = quote_spanned!(naming::place(ty)=> <#ty as __k::OwnDefault>::own_default);
                    default = Some(Expr::Verbatim(quote_spanned!(word.span()=> #own())));
                }
                Value::Rule(rule) => rules.extend(rule.suits(&word, &field.ty, diagnostics).then_some(rule)),
                Value::Path(_) | Value::Nothing => {}
            }
        }
        fields.push(Field {
            role,
            visibility: field.vis,
            ident,
            ty: field.ty,
            is_foreign: false,
            attributes: field.attrs,
            name: name.text,
            description,
            aliases: Vec::new(),
            default,
            rules,
        });
    }
    // Only now are all names known, that of a field below its alias too.
    for (index, texts) in aliases {
        for text in texts {
            let alias = text.value();
            let own = fields.get(index).is_some_and(|field| field.name == alias);
            if let Some(flaw) = naming::flaw(&alias) {
                diagnostics.at(&text, format!("the alias {alias:?} {flaw}: choose another or leave it out"));
            } else if own {
                diagnostics.at(&text, format!("`{alias}` is the field's name already: leave the alias out"));
            } else if taken.contains(&alias) {
                diagnostics.at(
                    &text,
                    format!("`{alias}` already stands for a field of this signature: choose another alias"),
                );
            } else {
                taken.push(alias);
                if let Some(field) = fields.get_mut(index) {
                    field.aliases.push(text);
                }
            }
        }
    }
    fields
}

/// A field owns its value; a type that borrows would be refused by serde in words that help nobody.
fn check_types(fields: &mut [Field], diagnostics: &mut Diagnostics) {
    for field in fields {
        let Some(ty) = types::find(&field.ty, &|ty| matches!(ty, Type::Reference(_))) else {
            continue;
        };
        let message = "a signature owns its values, since runs are spawned and traces outlive them: take an owned type, such as \
                       `String` for `&str` and `Vec` for a slice";
        // At the `&`: the lifetime behind it may not be the user's.
        let place = ty.to_token_stream().into_iter().next();
        diagnostics.at(place, message);
        field.is_foreign = true;
    }
}

/// The role that the first mark gives; every further mark is a mistake.
fn check_role(marks: &[RoleMark], diagnostics: &mut Diagnostics) -> Option<Role> {
    let (first, rest) = marks.split_first()?;
    for mark in rest {
        let (word, first) = (mark.role.word(), first.role.word());
        let path = mark.attribute.path().to_token_stream();
        match word == first {
            true => diagnostics.at(path, format!("the field is marked `#[{word}]` twice: keep one, with all its words")),
            false => diagnostics.at(
                path,
                format!("the field is marked `#[{first}]` above and cannot be an {word} too: keep the one that is meant"),
            ),
        }
    }
    Some(first.role)
}
