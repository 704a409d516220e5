use super::*;

fn names(text: &str) -> Vec<(&str, LinePosition)> {
    find(text).into_iter().map(|marker| (marker.name, marker.position)).collect()
}

#[test]
fn markers_are_found_with_their_position() {
    use LinePosition::*;
    assert_eq!(
        names("[[ ## a ## ]]\nx\n  **[[ ## b ## ]]**\n- [[ ## c ## ]] y [[ ## d ## ]]"),
        [("a", Start), ("b", Start), ("c", Item), ("d", Within)]
    );
    for text in [
        "[[##a##]] x",
        "[ [ # # a # # ] ]",
        "［［ ＃＃ a ＃＃ ］］",
        "【【\u{3000}## a ##\u{a0}】】",
        "\u{feff}`[[ ## a ## ]]`",
    ] {
        assert_eq!(names(text), [("a", Start)], "{text}");
    }
    for text in ["### [[ ## a ## ]]", "> [[ ## a ## ]]", " 12. **[[ ## a ## ]]**", "• [[ ## a ## ]]"] {
        assert_eq!(names(text), [("a", Item)], "{text}");
    }
    for text in ["1234. [[ ## a ## ]]", "x [[ ## a ## ]]", "[[[ ## a ## ]]", "\"[[ ## a ## ]]\""] {
        assert_eq!(names(text), [("a", Within)], "{text}");
    }
    for text in [
        "[[ ## ## ]]",
        "[[ # a # ]]",
        "[[ \\## a ## ]]",
        "[[ ## a\n ## ]]",
        "[[ ## a[b ## ]]",
        "[[ ## a]b ## ]]",
        "[[ ## a ## ]",
        "[[ ### a ### ]]",
    ] {
        assert_eq!(names(text), [], "{text}");
    }
}

#[test]
fn a_markers_emphasis_and_colon_belong_to_it() {
    for (text, span) in [
        ("**[[ ## a ## ]]** x", "**[[ ## a ## ]]**"),
        (" - `[[ ## a ## ]]`: x", " - `[[ ## a ## ]]`:"),
        ("**[[ ## a ## ]]:** x", "**[[ ## a ## ]]:**"),
        ("[[ ## a ## ]]:) x", "[[ ## a ## ]]"),
        ("[[ ## a ## ]]**x**", "[[ ## a ## ]]"),
        ("y **[[ ## a ## ]]** x", "**[[ ## a ## ]]**"),
        ("you **[[ ## a ## ]]** x", "**[[ ## a ## ]]**"),
        ("y **[[ ## a ## ]] x**", "[[ ## a ## ]]"),
    ] {
        let found = find(text);
        assert_eq!(found.first().map(|marker| &text[marker.span.clone()]), Some(span), "{text}");
    }
}

#[test]
fn escaping_hides_reserved_markers_and_unescaping_gives_the_text_back() {
    let reserved = |name: &str| name == "answer";
    for text in [
        "[[ ## answer ## ]]",
        "[[ \\## answer ## ]]",
        "[[[[ ## answer ## ]] [[##answer##]]",
        "[ [ \\\\# # answer # # ] ]【［＃＃answer##］】",
        "[[ ## other ## ]]",
        "[[ [[ ## answer ## ]]",
        "[[",
        "ä[[ ## answer ## ]]ö",
    ] {
        let escaped = escape(text, reserved);
        assert!(!names(&escaped).iter().any(|(name, _)| *name == "answer"), "{escaped}");
        assert_eq!(unescape(&escaped, reserved), text);
    }
    assert_eq!(escape("[[ ## other ## ]]", reserved), "[[ ## other ## ]]");
}

#[test]
fn blanks_at_the_ends_are_kept_by_marks() {
    for text in [
        "",
        " ",
        "\n",
        "a",
        " a",
        "a\n",
        EDGE,
        "[[ \\ ]] \\ ]]",
        " [[ \\ ]]",
        "[[ \\",
        "\\ ]]",
        "\u{3000}a\u{85}",
    ] {
        for text in [text.to_owned(), text.repeat(2), format!("{EDGE}{text}"), format!("{text}{EDGE}")] {
            for always in [false, true] {
                let edged = with_edges(text.as_str().into(), always);
                assert_eq!(without_edges(&format!("\n{edged}\n ")).0, text, "{edged}");
            }
        }
    }
    assert_eq!(with_edges("a b".into(), false), "a b");
}

#[test]
fn emphasis_around_a_name_is_no_part_of_it() {
    for text in ["[[ ## `a` ## ]]", "[[ ## *a* ## ]]", "[[ ## **a** ## ]]"] {
        assert_eq!(names(text), [("a", LinePosition::Start)], "{text}");
    }
}

#[test]
fn a_marker_alone_on_its_line_in_the_plain_form_is_plain() {
    for (text, is_plain) in [
        ("[[ ## a ## ]]", true),
        ("x\n[[ ## a ## ]] \ny", true),
        (" [[ ## a ## ]]", false),
        ("[[ ## a ## ]] x", false),
        ("[[ ## a ## ]]:", false),
        ("**[[ ## a ## ]]**", false),
        ("[[##a##]]", false),
    ] {
        let found = find(text);
        assert_eq!(found.first().map(|marker| marker.is_plain), Some(is_plain), "{text}");
    }
}

#[test]
fn a_beginning_is_judged_as_soon_as_it_is_certain() {
    use Beginning::*;
    for (text, expected) in [
        ("[", Open),
        ("[[ ", Open),
        ("[[ ## a", Open),
        ("[[ ## a ## ]", Open),
        ("[[ ## a ## ]] x", Marker(13)),
        ("[[ \\## a", Escaped),
        ("[[ ## a\n", Nothing),
        ("[[ ## a [", Nothing),
        ("[[ # a ]]", Nothing),
        ("[[ a", Nothing),
    ] {
        assert_eq!(beginning(text), expected, "{text}");
    }
}

#[test]
fn a_piece_of_a_marker_at_either_end_of_a_text_is_found() {
    for (text, expected) in [
        ("see [[", true),
        ("see [[ \\", true),
        ("see [[ \\## an", true),
        ("see [[ ## an", true),
        ("see [[ ## a ## ]", true),
        ("see [[ ## a ## ]]", false),
        ("see [[ ## a\n", false),
        ("see [b", false),
        ("## ]] x", true),
        ("] x", true),
        ("ab] x", false),
        ("ab", false),
    ] {
        assert_eq!(is_piece(text), expected, "{text}");
    }
}

#[test]
fn a_value_with_marked_edges_is_distinguished_from_one_without() {
    assert_eq!(without_edges(" a "), ("a", false));
    assert_eq!(without_edges(&with_edges(" a".into(), false)), (" a", true));
}
