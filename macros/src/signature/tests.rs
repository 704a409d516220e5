//! Tests the text of an expansion, and its size, for which every signature of a program pays.

use quote::{ToTokens, quote};

/// The expansion of a signature with five fields, one item a line.
fn five_fields() -> String {
    let expansion = super::derive(quote! {
        /// Answer the question from the passages.
        #[__karat(crate = ::karat, derive(PartialEq))]
        pub struct Answer {
            /// passages that may hold the facts
            #[input]
            passages: Vec<String>,
            #[input]
            question: String,
            /// one to five words
            #[output(alias = "reply")]
            answer: String,
            #[output]
            certainty: Certainty,
            #[output(desc = "where it says so")]
            #[serde(rename = "source")]
            r#where: Option<usize>,
        }
    });
    let file: syn::File = syn::parse2(expansion).unwrap();
    file.items.iter().map(|item| format!("{}\n", item.to_token_stream())).collect()
}

#[test]
fn a_signature_with_five_fields_expands_to_what_the_snapshot_says() {
    let (found, wanted) = (five_fields(), include_str!("tests/five_fields.txt"));
    assert_eq!(
        found, wanted,
        "if the change is meant, put this into src/signature/tests/five_fields.txt:\n{found}"
    );
}

#[test]
fn a_signature_with_five_fields_expands_to_at_most_three_kilobytes() {
    let size = five_fields().len();
    assert!(size <= 3 * 1024, "{size} bytes");
}

#[test]
fn generated_structs_derive_neither_serde_nor_schemars_on_their_own() {
    let expansion = five_fields();
    let unasked = ["Serialize", "Deserialize", "JsonSchema"];
    assert!(!unasked.iter().any(|derive| expansion.contains(derive)), "{expansion}");
}

#[test]
fn mistakes_are_reported_and_the_structs_are_still_there() {
    let expansion = super::derive(quote!(
        struct Qa {
            question: String,
            #[output(desc = 5)]
            answer: String,
        }
    ))
    .to_string();
    assert_eq!(expansion.matches("compile_error").count(), 2, "{expansion}");
    assert!(expansion.contains("struct QaInput") && expansion.contains("struct QaOutput"), "{expansion}");
}

#[test]
fn a_role_is_guessed_from_the_field_above() {
    let expansion = super::derive(quote!(
        struct Qa {
            #[input]
            question: String,
            context: String,
            #[output]
            answer: String,
        }
    ))
    .to_string();
    assert!(expansion.contains("struct QaInput { question : String , context : String }"), "{expansion}");
}

#[test]
fn only_an_input_whose_type_may_be_no_value_is_asked_for_its_kind() {
    let expansion = |fields| super::derive(quote!(struct Qa { #fields #[output] answer: Photo })).to_string();
    let plain = [quote!(String), quote!(Option<u8>), quote!(Vec<Option<String>>), quote!([bool; 3])];
    for ty in plain {
        let expansion = expansion(quote!(#[input] question: #ty,));
        assert!(!expansion.contains("KindOf") && !expansion.contains("OrValue"), "{expansion}");
    }
    let others =
        [quote!(History), quote!(Option<Photo>), quote!(Vec<Photo>), quote!(photo!()), quote!(a::B<C>)];
    for ty in others {
        let expansion = expansion(quote!(#[input] question: #ty,));
        assert_eq!(expansion.matches("KindOf").count(), 1, "{expansion}");
    }
}
