//! README's programs are these examples, to the letter, and print what README says. No example anywhere puts a remark behind a doc
//! comment, from where it would go into a prompt.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

const README: &str = include_str!("../../README.md");

/// The code blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = page.split(fence.as_str()).skip(1);
    rest.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn readmes_programs_are_the_examples_to_the_letter() {
    let programs = [include_str!("../src/bin/readme_predict.rs"), include_str!("../src/bin/readme_rag.rs")];
    assert_eq!(blocks(README, "rust,no_run"), programs);
    for program in programs {
        assert!(program.contains("fn main"), "it compiles when it is copied");
    }
}

#[test]
fn the_first_program_prints_what_readme_says() {
    assert_eq!(vec![run(env!("CARGO_BIN_EXE_readme_predict"))], blocks(README, "text"));
}

#[test]
fn the_second_program_runs_to_its_end() {
    let out = run(env!("CARGO_BIN_EXE_readme_rag"));
    assert!(out.starts_with("Paris because the passage says so\n"), "{out}");
    assert!(out.contains("* rollout ") && out.contains("High: 2 calls, "), "{out}");
}

/// What a program prints whose model is a server on this machine.
fn run(program: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| serve(stream))))
    });
    let output = Command::new(program)
        .env("KARAT_MODEL", "llamacpp/scripted")
        .env("KARAT_BASE_URL", url)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Answers one request, by what its prompt asks for.
fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        let header = std::mem::take(&mut line).to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let request = String::from_utf8_lossy(&body);
    let fields: &[_] = if request.contains("passages") {
        &[("reasoning", "the passage says so"), ("answer", "Paris"), ("certainty", "High")]
    } else if request.contains("search query") {
        &[("reasoning", "it is a place"), ("query", "capital of France")]
    } else {
        &[("answer", "Paris")]
    };
    let text: String =
        fields.iter().map(|(name, value)| format!("[[ ## {name} ## ]]\n{value}\n\n")).collect();
    let message = serde_json::json!({ "role": "assistant", "content": text + "[[ ## completed ## ]]" });
    let answer = serde_json::json!({
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 20 },
    })
    .to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).expect("an answer");
}

#[test]
fn no_example_has_a_remark_behind_a_doc_comment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut found = Vec::new();
    // Of the crates' own sources only the examples in their doc comments are shown to anybody.
    for (part, is_shown) in [
        ("README.md", true),
        ("CONTRIBUTING.md", true),
        ("docs", true),
        ("examples/src", true),
        ("tests/ui/pass", true),
        ("runtime/src", false),
        ("macros/src", false),
    ] {
        for file in files(&root.join(part)) {
            let text = fs::read_to_string(&file).expect("a text");
            let lines = text.lines().enumerate().filter(|(_, line)| has_remark(line, is_shown));
            found.extend(lines.map(|(index, line)| format!("{}:{}: {line}", file.display(), index + 1)));
        }
    }
    assert!(found.is_empty(), "the remark would go into a prompt:\n{}", found.join("\n"));
}

/// True for a doc comment with a remark behind it: of the program that is shown, or of one in an example of a doc comment.
fn has_remark(line: &str, is_shown: bool) -> bool {
    let line = line.trim_start();
    let example = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim_start);
    let comment = if is_shown { Some(line) } else { example };
    comment.and_then(|comment| comment.strip_prefix("///")).is_some_and(|text| text.contains(" // "))
}

#[test]
fn a_remark_behind_a_doc_comment_is_found() {
    assert!(has_remark("    /// facts    // a remark", true));
    assert!(has_remark("/// /// Answer. // a remark", false));
    assert!(has_remark("//! /// Answer. // a remark", false));
    for (line, is_shown) in
        [("/// see https://docs.rs", true), ("let a = 1; // why", true), ("/// a(); // why", false)]
    {
        assert!(!has_remark(line, is_shown), "{line}");
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
    let all = entries.flat_map(|path| files(&path));
    all.filter(|path| path.extension().is_some_and(|ending| ending == "rs" || ending == "md")).collect()
}
