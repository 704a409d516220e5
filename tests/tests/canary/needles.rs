//! Searches texts and files for every form of a key.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// A part of this many characters is too much of a key.
const PART: usize = 8;

/// The texts that must not be found.
pub struct Needles {
    parts: HashSet<[u8; PART]>,
    /// The key as a list of numbers, whose parts are found in any list.
    numbers: String,
}

impl Needles {
    /// Every part of the key, as it is and as base64, URLs and JSON write it.
    pub fn of(key: &str) -> Self {
        let mut forms = vec![
            key.to_owned(),
            percent_encoded(key),
            percent_encoded(key).replace("%2F", "%2f").replace("%2B", "%2b"),
            key.to_lowercase(),
            key.replace('/', "\\/"),
            key.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect(),
            key.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        // At each of the three offsets of a text in base64.
        for before in ["", "x", "xx"] {
            let encoded = base64(format!("{before}{key}").as_bytes());
            forms.push(encoded[4..].to_owned());
            forms.push(encoded[4..].replace('+', "-").replace('/', "_"));
        }
        let parts = |form: &String| {
            let parts = form.as_bytes().windows(PART).map(|part| part.try_into().unwrap());
            parts.collect::<Vec<[u8; PART]>>()
        };
        let parts = forms.iter().flat_map(parts);
        // Eight digits may be any number.
        let parts = parts.filter(|part| !part.iter().all(u8::is_ascii_digit)).collect();
        Self { parts, numbers: format!("{:?}", key.as_bytes()) }
    }

    /// # Panics
    /// If the key is in it; the message has the text around it.
    pub fn search(&self, place: &str, bytes: &[u8]) {
        let found = bytes.windows(PART).position(|part| self.parts.contains(part));
        let numbers = || String::from_utf8_lossy(bytes).find(&self.numbers);
        if let Some(at) = found.or_else(numbers) {
            let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 100)];
            panic!("the key is in {place}: {}", String::from_utf8_lossy(around));
        }
    }

    /// Searches the files of a folder, and their names; returns the names.
    pub fn search_files(&self, folder: &Path) -> Vec<String> {
        let files = files(folder);
        for file in &files {
            let name = file.to_string_lossy();
            self.search("a file's name", name.as_bytes());
            self.search(&name, &std::fs::read(file).unwrap());
        }
        files.iter().map(|file| file.to_string_lossy().into_owned()).collect()
    }
}

/// All files of a folder and of those in it.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The text as escaped in an address.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Base64 without padding.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(LETTERS[bits >> (18 - 6 * place) & 63]));
        }
    }
    text
}

#[test]
fn each_form_of_a_key_is_found() {
    let needles = Needles::of(crate::KEY);
    let found =
        |text: String| std::panic::catch_unwind(|| needles.search("a text", text.as_bytes())).is_err();
    for form in [
        crate::KEY.to_owned(),
        crate::KEY[3..14].to_owned(),
        base64(format!("Bearer {}", crate::KEY).as_bytes()),
        base64(format!("me:{}", crate::KEY).as_bytes()),
        percent_encoded(crate::KEY)[8..22].to_owned(),
        serde_json::to_string(crate::KEY).unwrap(),
        format!("{:?}", crate::KEY.as_bytes()),
    ] {
        assert!(found(format!("a {form} b")), "{form}");
    }
    assert!(!found("sk-pro and nothing else of it: [115, 107, 45]".into()));
}
