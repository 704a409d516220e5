//! [`Program`]: describes a program, and is saved beside its state so that no state is loaded into another program unnoticed.

use std::{collections::HashMap, io, path::Path};

use karat_lm::{Result, internal::shortened};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{State, error, file, quoted, versions};
use crate::{
    field::FieldRole,
    module::{Node, Traverse, Walker},
    predict::Predictor,
    signature::Slot,
};

const PROGRAM: &str = "program.json";
const STATE: &str = "state.json";

/// The description of a program: its modules, its predictors with their signatures, and its source.
///
/// [`Module::program`](crate::Module::program) describes the compiled program;
/// [`Module::save_program`](crate::Module::save_program) writes the description beside the state, and
/// [`Module::load_program`](crate::Module::load_program) compares the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Program {
    /// Every module, breadth first.
    pub modules: Vec<ProgramModule>,
    /// Every predictor, frozen ones included.
    pub predictors: Vec<ProgramPredictor>,
    /// Every other parameter, frozen ones included.
    pub parameters: Vec<ProgramParameter>,
    /// The source of the outermost module's `impl` block, where it is known.
    pub source: Option<String>,
}

/// A module of a [`Program`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgramModule {
    /// Its path, from `self` on.
    pub path: String,
    /// The name of its type, without the paths of crates.
    pub kind: String,
}

/// A predictor of a [`Program`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgramPredictor {
    /// Its path.
    pub path: String,
    /// The name of its signature.
    pub signature: String,
    /// Whether it keeps what it has learned; see [`Frozen`](crate::Frozen).
    pub frozen: bool,
    /// Its input fields, in order.
    pub inputs: Vec<ProgramField>,
    /// Its output fields, in order.
    pub outputs: Vec<ProgramField>,
}

/// A parameter of a [`Program`] that is no predictor, such as a [`Param`](crate::Param).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgramParameter {
    /// Its path.
    pub path: String,
    /// Whether it keeps what it has learned; see [`Frozen`](crate::Frozen).
    pub frozen: bool,
}

/// A field of a [`ProgramPredictor`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgramField {
    /// Its name.
    pub name: String,
    /// The JSON schema of its type.
    pub schema: Value,
}

impl Program {
    pub(crate) fn of<T: Traverse>(
        root: &T,
        modules: Vec<(String, &'static str)>,
        source: Option<&'static str>,
    ) -> Self {
        let modules =
            modules.into_iter().map(|(path, kind)| ProgramModule { path, kind: short(kind) }).collect();
        let mut program = Self { modules, source: source.map(str::to_owned), ..Self::default() };
        Walker::run(root, &mut |site, node| {
            let Node::Parameter(parameter) = node else { return };
            match parameter.as_predictor() {
                Some(predictor) => {
                    program.predictors.push(ProgramPredictor::of(site.path(), predictor, site.is_frozen()));
                }
                None => program
                    .parameters
                    .push(ProgramParameter { path: site.path().into(), frozen: site.is_frozen() }),
            }
        });
        program
    }

    /// How this program, the compiled one, differs from the saved one: a line for each difference. The source does not
    /// count.
    pub fn differences(&self, saved: &Program) -> Vec<String> {
        let mut found = Vec::new();
        let kinds = |program: &Program| -> Vec<(String, String)> {
            program.modules.iter().map(|module| (module.path.clone(), module.kind.clone())).collect()
        };
        differ("the module", &kinds(self), &kinds(saved), &mut found, |path, kind, saved, found| {
            // Saved by another compiler, it may be written otherwise.
            if *kind != short(saved) {
                let saved = shortened(saved, 200);
                found.push(format!("the module `{path}` is a `{kind}`, saved was a `{saved}`"));
            }
        });
        let predictors = |program: &Program| -> Vec<(String, ProgramPredictor)> {
            program.predictors.iter().map(|predictor| (predictor.path.clone(), predictor.clone())).collect()
        };
        differ(
            "the predictor",
            &predictors(self),
            &predictors(saved),
            &mut found,
            |path, now, saved, found| {
                now.differences(path, saved, found);
            },
        );
        let parameters = |program: &Program| -> Vec<(String, bool)> {
            program.parameters.iter().map(|parameter| (parameter.path.clone(), parameter.frozen)).collect()
        };
        let both = |path: &str, now: &bool, saved: &bool, found: &mut Vec<String>| {
            differ_in_frozen("parameter", path, *now, *saved, found);
        };
        differ("the parameter", &parameters(self), &parameters(saved), &mut found, both);
        found
    }
}

impl ProgramPredictor {
    fn of(path: &str, predictor: &Predictor, frozen: bool) -> Self {
        let fields = |role| predictor.slots_of(role).map(ProgramField::of).collect();
        Self {
            path: path.into(),
            signature: predictor.signature().into(),
            frozen,
            inputs: fields(FieldRole::Input),
            outputs: fields(FieldRole::Output),
        }
    }

    fn differences(&self, path: &str, saved: &Self, found: &mut Vec<String>) {
        if self.signature != saved.signature {
            found.push(format!(
                "the predictor `{path}` has the signature `{}`, saved was `{}`",
                self.signature,
                shortened(&saved.signature, 200)
            ));
        }
        differ_in_frozen("predictor", path, self.frozen, saved.frozen, found);
        for (role, now, saved) in
            [("input", &self.inputs, &saved.inputs), ("output", &self.outputs, &saved.outputs)]
        {
            let names = |fields: &[ProgramField]| {
                quoted(&fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>())
            };
            if names(now) != names(saved) {
                found.push(format!(
                    "the predictor `{path}` has the {role} fields {}, saved were {}",
                    names(now),
                    names(saved)
                ));
                continue;
            }
            let other =
                |(now, saved): &(&ProgramField, &ProgramField)| shape(&now.schema) != shape(&saved.schema);
            let text = |field: &ProgramField| shortened(&shape(&field.schema).to_string(), 600);
            for (now, saved) in now.iter().zip(saved).filter(other) {
                found.push(format!(
                    "the {role} field `{}` of the predictor `{path}` has the type {}, saved was {}",
                    now.name,
                    text(now),
                    text(saved)
                ));
            }
        }
    }
}

impl ProgramField {
    fn of(slot: &Slot) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = false;
        });
        let mut generator = SchemaGenerator::new(settings);
        let mut schema = slot.compiled.declared_schema(&mut generator);
        let definitions = generator.take_definitions(true);
        if let (Some(object), false) = (schema.as_object_mut(), definitions.is_empty()) {
            object.insert("$defs".into(), Value::Object(definitions));
        }
        Self { name: slot.name().into(), schema }
    }
}

fn differ_in_frozen(what: &str, path: &str, now: bool, saved: bool, found: &mut Vec<String>) {
    let word = |frozen: bool| if frozen { "frozen" } else { "not frozen" };
    if now != saved {
        found.push(format!("the {what} `{path}` is {}, saved was {}", word(now), word(saved)));
    }
}

/// Compares two lists by path: what only one of them has, and where `both` finds a difference.
fn differ<T>(
    what: &str,
    now: &[(String, T)],
    saved: &[(String, T)],
    found: &mut Vec<String>,
    both: impl Fn(&str, &T, &T, &mut Vec<String>),
) {
    let known: HashMap<_, _> = now.iter().map(|(path, part)| (path, part)).collect();
    let there: HashMap<_, _> = saved.iter().map(|(path, part)| (path, part)).collect();
    for (path, now) in now {
        match there.get(path) {
            Some(saved) => both(path, now, saved, found),
            None => found.push(format!("{what} `{path}` was not saved")),
        }
    }
    for (path, _) in saved.iter().filter(|(path, _)| !known.contains_key(path)) {
        found.push(format!("{what} `{}` was saved and is not in the program", shortened(path, 100)));
    }
}

/// A schema without annotations that do not change the type, such as doc comments.
fn shape(schema: &Value) -> Value {
    let is_note = |key: &str| ["title", "description", "default", "examples", "deprecated"].contains(&key);
    match schema {
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(object) => {
            let parts = object.iter().filter(|(key, _)| !is_note(key)).map(|(key, part)| {
                let part = match (key.as_str(), part) {
                    // These are keyed by names, which may be called anything.
                    ("properties" | "$defs" | "patternProperties", Value::Object(named)) => {
                        named.iter().map(|(name, schema)| (name.clone(), shape(schema))).collect()
                    }
                    ("const" | "enum", values) => values.clone(),
                    (_, part) => shape(part),
                };
                (key.clone(), part)
            });
            Value::Object(parts.collect())
        }
        plain => plain.clone(),
    }
}

/// A type's name without the paths of its crates and without lifetimes, which some compilers write and others do not:
/// `ChainOfThought<Qa>`.
fn short(type_name: &str) -> String {
    let name = type_name.replace("'_, ", "").replace("<'_>", "").replace(" + '_", "").replace("'_ ", "");
    let mut out = String::new();
    for part in name.split_inclusive(['<', '>', ',', ' ', '(', ')', '[', ']', ';', '&']) {
        out.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    out
}

#[derive(Serialize, Deserialize)]
struct ProgramFile {
    program: Program,
    #[serde(default)]
    metadata: Value,
}

/// Writes description and state into the folder. Neither takes an older one's place before both are whole and on disk.
pub(crate) fn save(folder: &Path, program: Program, state: &State) -> Result<()> {
    // Before anything is written: what cannot be saved leaves the folder as it is.
    let state = state.to_json()?;
    let (program_path, state_path) = (folder.join(PROGRAM), folder.join(STATE));
    let program = ProgramFile { program, metadata: versions::metadata() };
    let program = file::Replacement::new(&program_path, &program)?;
    let state = file::Replacement::new(&state_path, &state)?;
    program.replace()?;
    state.replace()
}

/// The state in the folder, if it is that of this program.
pub(crate) fn load(folder: &Path, program: &Program) -> Result<State> {
    if folder.is_file() {
        let message =
            "expected a folder that `save_program` wrote, found a file; a state file is loaded with `load`";
        return Err(file::io_error("read", folder, io::Error::new(io::ErrorKind::NotADirectory, message)));
    }
    let path = folder.join(PROGRAM);
    let saved = file::read(&path)?;
    let metadata = saved.get("metadata").cloned().unwrap_or_default();
    let saved: ProgramFile = serde_json::from_value(Value::Object(saved)).map_err(|cause| {
        let (path, text) = (path.display(), shortened(&cause.to_string(), 300));
        let note = versions::note(&metadata);
        error(format!("{path} is not the description of a program: {text}{note}")).with_source(cause)
    })?;
    let differences = program.differences(&saved.program);
    if !differences.is_empty() {
        let count = differences.len();
        return Err(error(format!(
            "the program in {} is not the compiled one, in {count} {}: {}{}",
            folder.display(),
            if count == 1 { "way" } else { "ways" },
            differences.join("; "),
            versions::note(&metadata)
        )));
    }
    if saved.program.source != program.source {
        tracing::warn!(
            folder = %folder.display(),
            "the program was saved with another source text; its modules and signatures are the same"
        );
    }
    let state = State::read(folder.join(STATE))?;
    // The state warns of its own versions when it is loaded.
    if state.metadata() != Some(&metadata) {
        versions::warn(&metadata);
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{shape, short};

    #[test]
    fn type_names_lose_the_paths_of_crates_and_lifetimes() {
        for (long, expected) in [
            (
                "karat::modules::best_of_n::BestOfN<my::a::Rag<(u8, alloc::string::String)>>",
                "BestOfN<Rag<(u8, String)>>",
            ),
            ("a::A<a::L<'_>>", "A<L>"),
            ("a::A<alloc::borrow::Cow<'_, str>, &'_ a::B>", "A<Cow<str>, &B>"),
            ("a::A<&a::B>", "A<&B>"),
            ("a::A<dyn a::F + '_>", "A<dyn F>"),
            ("a::K<'_'>", "K<'_'>"),
        ] {
            assert_eq!(short(long), expected);
            assert_eq!(short(expected), expected);
        }
    }

    #[test]
    fn a_schemas_shape_has_no_doc_comments_and_keeps_fields_of_such_names() {
        let schema = json!({"title": "T", "description": "d", "type": "object", "properties": {
            "title": {"type": "string", "description": "d", "default": 1},
            "description": {"enum": ["title", {"title": 1}]},
        }, "anyOf": [{"title": "x", "type": "null"}]});
        let shape_of_it = json!({"type": "object", "properties": {
            "title": {"type": "string"},
            "description": {"enum": ["title", {"title": 1}]},
        }, "anyOf": [{"type": "null"}]});
        assert_eq!(shape(&schema), shape_of_it);
    }
}
