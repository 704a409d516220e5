//! Dependencies inside of a crate go one way: a room (a module at the crate's root) names rooms of its own floor and of those below
//! it. Test code is exempt.

use std::{collections::HashMap, fs, path::Path};

/// Rooms of karat-lm, lowest floor first.
const LM: &[&[&str]] = &[
    // The ground: small helpers that know nothing of language models.
    &["grow", "new_file", "polled_timeout", "setters", "sha256", "split_mix", "text"],
    &["report"],
    &["data"],
    &["telemetry"],
    &["model"],
    &["layers"],
    &["http"],
    &["providers"],
    &["handle"],
    &["route"],
    &["testing"],
];

/// Rooms of karat, lowest floor first. `modules` may use public names alone, which the test `authors` holds.
const KARAT: &[&[&str]] = &[
    // The crate karat-lm.
    &["lm"],
    &["json"],
    // A signature is a table of fields, and the public module `field` shows both.
    &["field", "signature"],
    // No such room yet.
    &["tool"],
    &["adapter"],
    &["budget"],
    &["run"],
    &["prediction"],
    &["stream"],
    // One recursive idea: a predictor is a module, a module is made of predictors, and the state of both is loaded and saved by
    // the module's own methods.
    &["module", "predict", "state"],
    &["reward"],
    &["trace", "traverse"],
    &["author"],
    &["modules"],
    &["batch"],
    &["blocking"],
];

/// The upward arrows there are: what methods of the trait `Module` return.
const RETURNED: &[(&str, &str)] = &[("module/mod.rs", "batch"), ("module/mod.rs", "modules")];

#[test]
fn rooms_of_karat_lm_use_no_room_above_them() {
    assert_eq!(upward("lm/src", LM), [""; 0]);
}

#[test]
fn rooms_of_karat_use_no_room_above_them_but_for_what_methods_of_module_return() {
    let allowed = RETURNED.iter().map(|(file, room)| format!("{file} -> {room}"));
    let found = upward("runtime/src", KARAT);
    let arrow = |line: &String| {
        let words: Vec<_> = line.split([':', ' ']).collect();
        format!("{} -> {}", words[0], words[words.len() - 1])
    };
    let arrows: Vec<_> = found.iter().map(arrow).collect();
    assert_eq!(arrows, allowed.collect::<Vec<_>>(), "{found:#?}");
}

/// The arrows that lead up, as `file:line: room -> room`.
fn upward(source: &str, floors: &[&[&str]]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source);
    let floor = |room: &str| floors.iter().position(|rooms| rooms.contains(&room));
    let lib = fs::read_to_string(root.join("lib.rs")).expect("a crate has a root");
    let exported = exports(&lib);
    let mut found = Vec::new();
    let files = code_files(&root);
    assert!(files.len() > 50, "{source} was not read");
    for path in files {
        let code = without_tests(&fs::read_to_string(root.join(&path)).expect("a text"));
        let modules: Vec<_> = path.trim_end_matches(".rs").split('/').filter(|name| *name != "mod").collect();
        let from =
            floor(modules[0]).unwrap_or_else(|| panic!("{source}/{path}: give this room a floor here"));
        for (at, name) in root_names(&code, modules.len()) {
            let line = code[..at].matches('\n').count() + 1;
            let room = if floor(name).is_some() { name } else { exported.get(name).copied().unwrap_or(name) };
            let to = floor(room)
                .unwrap_or_else(|| panic!("{source}/{path}:{line}: `{name}` is of no room that has a floor"));
            if to > from {
                found.push(format!("{path}:{line}: {} -> {room}", modules[0]));
            }
        }
    }
    found.sort();
    found
}

/// The files below a folder by their paths in it, but for the crate's root and for what only tests have.
fn code_files(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name in ASCII");
            if entry.path().is_dir() && name != "tests" {
                folders.push(format!("{folder}{name}/"));
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                files.push(format!("{folder}{name}"));
            }
        }
    }
    files.retain(|path| path != "lib.rs" && path != "repository.rs");
    files
}

/// The text with its comments and what stands under `#[cfg(test)]` blank, line for line, as rustfmt sets them.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    // The indentation of the test code that goes on.
    let mut test = None;
    for line in text.lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if test.is_some() {
            test = test.filter(|start| *start != indent || !words.ends_with(['}', ';', ',']));
        } else if words.starts_with("#[cfg(test)]") || words.starts_with("#[cfg(all(test,") {
            test = Some(indent);
        } else if !words.starts_with("//") {
            code.push_str(line);
        }
        code.push('\n');
    }
    code
}

/// Each name that the code takes from the crate's root, and where it stands: `a` and `B` of `crate::{a::x, B}`.
fn root_names(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let supers = "super::".repeat(depth);
    let prefixes = ["crate::", "use karat::", &supers];
    let starts = prefixes.iter().flat_map(|prefix| code.match_indices(prefix));
    let items = starts.flat_map(|(at, prefix)| items(code, at + prefix.len()));
    items.map(|(at, item)| (at, words(item).next().unwrap_or("*"))).collect()
}

/// The rooms of the names that the crate's root exports.
fn exports(root: &str) -> HashMap<&str, &str> {
    let mut exported = HashMap::new();
    for (at, prefix) in root.match_indices("pub use self::") {
        for (_, item) in items(root, at + prefix.len()) {
            let mut words = words(item);
            let room = words.next().unwrap_or_default();
            exported.extend(words.map(|name| (name, room)));
        }
    }
    exported
}

/// The paths of the group that stands there, as `a::b` and `c::{d, e}` of `{a::b, c::{d, e}}`; or the one path, and what follows it.
fn items(code: &str, start: usize) -> Vec<(usize, &str)> {
    let code = &code[..code[start..].find(';').map_or(code.len(), |end| start + end)];
    if !code[start..].starts_with('{') {
        return vec![(start, &code[start..])];
    }
    let (mut items, mut depth, mut from) = (Vec::new(), 0, start + 1);
    for (at, sign) in code[start..].char_indices().map(|(at, sign)| (start + at, sign)) {
        depth += usize::from(sign == '{');
        if depth == 1 && (sign == ',' || sign == '}') {
            let item = code[from..at].trim_start();
            items.extend((!item.is_empty()).then_some((at - item.len(), item)));
            from = at + 1;
        }
        depth -= usize::from(sign == '}');
        if depth == 0 {
            break;
        }
    }
    items
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign: char| !(sign.is_alphanumeric() || sign == '_')).filter(|word| !word.is_empty())
}
