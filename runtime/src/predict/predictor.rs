//! [`Predictor`]: the state of a predictor, without its types.
//!
//! The state is shared and copied on the first write, so that a copy of a module costs a few reference counts. What one run
//! sets on a copy is in [`Run`].

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use karat_lm::{CallerId, Config, Error, Lm, Result, internal::configured};
use serde_json::{Map, Value};

use super::{ladder::Ladder, on_parse_error::OnParseError, run_settings::Run};
use crate::{
    adapter::{Adapter, ChatAdapter, Demo, Prepared, Task},
    field::{Field, FieldRole},
    signature::{Layout, Place, Signature, Slot, Spec},
};

/// The untyped part of [`Predict`](crate::Predict): its state, and what is set for one run. The traversal finds it in modules.
#[derive(Clone)]
pub struct Predictor {
    pub(super) state: Arc<PredictorState>,
    pub(super) run: Run,
    /// Identifies it in the history of calls: copies share the id, deep copies do not.
    pub(super) id: CallerId,
}

/// What a predictor has learned and what is set for all its runs.
#[derive(Clone)]
pub(super) struct PredictorState {
    pub(super) spec: &'static Spec,
    pub(super) layout: Arc<Layout>,
    pub(super) instructions: Option<Arc<str>>,
    pub(super) demos: Arc<Vec<Demo>>,
    /// Notes of DSPy's optimizers in a state file, kept for the next file.
    notes: Arc<Map<String, Value>>,
    pub(super) lm: Option<Lm>,
    /// True if the LM comes from a state file; one that the program sets has precedence.
    is_lm_of_state: bool,
    pub(super) config: Config,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) on_parse_error: OnParseError,
    /// The constant part of the prompt, written at the first call; cleared by every change that it depends on.
    plan: OnceLock<Arc<PromptPlan>>,
    /// The same for the adapter of [`OnParseError::Fallback`].
    fallback_plan: OnceLock<Arc<PromptPlan>>,
    /// A setter's mistake, returned by the first call: setters return no `Result`.
    pub(super) mistake: Option<Error>,
}

/// The part of the prompt that an adapter prepared for a predictor, and the rungs of its ladder that the LM's provider takes.
pub(super) struct PromptPlan {
    pub(super) prepared: Prepared,
    pub(super) ladder: Ladder,
}

impl PromptPlan {
    pub(super) fn new(prepared: Prepared) -> Self {
        Self { prepared, ladder: Ladder::default() }
    }
}

/// One field's texts in a state: its description, and its prefix if that is not the one derived from the name.
pub(crate) struct FieldText {
    pub(crate) prefix: Option<String>,
    pub(crate) description: String,
}

impl Predictor {
    pub(super) fn new<S: Signature>() -> Self {
        let spec = S::spec();
        let state = PredictorState {
            spec,
            layout: spec.layout(),
            instructions: None,
            notes: Arc::default(),
            demos: Arc::default(),
            lm: None,
            is_lm_of_state: false,
            config: Config::default(),
            adapter: Arc::new(ChatAdapter),
            on_parse_error: OnParseError::default(),
            plan: OnceLock::new(),
            fallback_plan: OnceLock::new(),
            mistake: None,
        };
        Self { state: Arc::new(state), run: Run::default(), id: CallerId::unique() }
    }

    /// Changes the state of this copy alone. For changes on which the prompt's constant part does not depend.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut PredictorState)) {
        change(Arc::make_mut(&mut self.state));
    }

    /// Changes the state of this copy alone, and clears the prompt's constant part.
    pub(super) fn change_prompt(&mut self, change: impl FnOnce(&mut PredictorState)) {
        let state = Arc::make_mut(&mut self.state);
        change(state);
        (state.plan, state.fallback_plan) = Default::default();
    }

    /// The name of its signature.
    pub fn signature(&self) -> &str {
        self.state.spec.name()
    }

    /// True if both are of the same signature.
    pub(crate) fn is_of_signature_of(&self, other: &Predictor) -> bool {
        std::ptr::eq(self.state.spec, other.state.spec) && self.field_names() == other.field_names()
    }

    /// Its signature and fields, for messages: `` `Qa` (question -> answer)``.
    pub(crate) fn outline(&self) -> String {
        let (inputs, outputs) = self.field_names();
        format!("`{}` ({} -> {})", self.signature(), inputs.join(", "), outputs.join(", "))
    }

    /// The names of its input and output fields in prompt order, added ones included.
    pub fn field_names(&self) -> (Vec<Cow<'static, str>>, Vec<Cow<'static, str>>) {
        let names = |role| self.slots_of(role).map(Slot::owned_name).collect();
        (names(FieldRole::Input), names(FieldRole::Output))
    }

    /// Its instructions.
    pub fn instructions(&self) -> &str {
        self.state.instructions.as_deref().unwrap_or(&self.state.layout.instructions)
    }

    /// Replaces its instructions.
    pub fn set_instructions(&mut self, instructions: impl Into<Arc<str>>) {
        self.change_prompt(|state| state.instructions = Some(instructions.into()));
    }

    /// A field's description in the prompt; empty if it has none, or if there is no such field.
    pub fn description(&self, field: &str) -> &str {
        self.slots().find(|slot| slot.name() == field).map_or("", Slot::shown_description)
    }

    /// Sets a field's description in the prompt, in place of the one in the source.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): there is no field of this name.
    pub fn set_description(&mut self, field: &str, text: impl Into<Arc<str>>) -> Result<()> {
        let mut layout = (*self.state.layout).clone();
        self.slot_mut(&mut layout, field)?.description = Some(text.into());
        self.change_prompt(|state| state.layout = Arc::new(layout));
        Ok(())
    }

    /// Its worked examples.
    pub fn demos(&self) -> &[Demo] {
        &self.state.demos
    }

    /// Sets its worked examples. Those of another predictor are taken over by field name.
    pub fn set_demos(&mut self, demos: Vec<Demo>) {
        let layout = &self.state.layout;
        let demos = demos.into_iter().map(|demo| demo.fitted(layout)).collect();
        self.change_prompt(|state| state.demos = Arc::new(demos));
    }

    /// Makes a worked example of values by field name, added fields included. Values of other names are kept and saved, and no
    /// prompt shows them.
    pub fn demo_of(&self, values: Map<String, Value>) -> Demo {
        Demo::of(&self.state.layout, values)
    }

    /// A worked example's values by field name, those of other names last; fields without a value are left out.
    pub fn dump_demo(&self, demo: &Demo) -> Value {
        Value::Object(demo.values())
    }

    /// The LM that was set on it, never the process default.
    pub fn lm(&self) -> Option<&Lm> {
        self.state.lm.as_ref()
    }

    /// Sets its LM. It stays when a [state](crate::State) is loaded, unless the state's
    /// [`take_lm`](crate::State::take_lm) is set.
    pub fn set_lm(&mut self, lm: &Lm) {
        self.change_lm(Some(lm.clone()), false);
    }

    /// Sets the LM that a state names.
    pub(crate) fn set_state_lm(&mut self, lm: &Lm) {
        self.change_lm(Some(lm.clone()), true);
    }

    /// True if the program has set its LM, and no state did.
    pub(crate) fn has_own_lm(&self) -> bool {
        self.state.lm.is_some() && !self.state.is_lm_of_state
    }

    fn change_lm(&mut self, lm: Option<Lm>, is_of_state: bool) {
        // Another provider may take other forms of request.
        self.change_prompt(|state| (state.lm, state.is_lm_of_state) = (lm, is_of_state));
    }

    /// Sets the adapter, which writes the prompts and reads the answers.
    pub fn set_adapter(&mut self, adapter: Arc<dyn Adapter>) {
        self.change_prompt(|state| state.adapter = adapter);
    }

    /// Removes its LM, so that the process default is used.
    pub(crate) fn unset_lm(&mut self) {
        self.change_lm(None, false);
    }

    /// The LM that a call would use: its own, else the process default.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): there is neither.
    pub fn resolve_lm(&self) -> Result<Lm> {
        self.any_lm().ok_or_else(|| {
            let message = "no LM is set: call `set_lm(&lm)` on the module, `.lm(&lm)` on the predictor, or \
                           `karat::configure(lm)` once for the process";
            Error::new(crate::ErrorKind::NoLm, message).with_predictor(self.path())
        })
    }

    /// Its own LM, else the process default.
    pub(super) fn any_lm(&self) -> Option<Lm> {
        self.state.lm.clone().or_else(configured)
    }

    /// Its generation settings, which replace its LM's.
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Adds a field to the signature as this predictor sees it: the user's own type, demos and files stay as they are. Its
    /// value comes with [`Predict::forward_with`](crate::Predict::forward_with) (inputs) and leaves with
    /// [`Prediction::added`](crate::Prediction::added) (outputs).
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): the signature has a field of this name.
    pub fn add_field(&mut self, field: Field, place: Place) -> Result<()> {
        let mut layout = (*self.state.layout).clone();
        let (role, name) = (field.role(), field.owned_name());
        layout.add(field, place)?;
        let names = layout.names();
        let index = layout.shown(role).position(|slot| slot.name() == name);
        self.change_prompt(|state| {
            state.layout = Arc::new(layout);
            // The demos keep their values at their fields.
            for demo in Arc::make_mut(&mut state.demos) {
                let values = match role {
                    FieldRole::Input => &mut demo.inputs,
                    FieldRole::Output => &mut demo.outputs,
                };
                if let Some(index) = index {
                    values.insert(index.min(values.len()), None);
                }
                demo.names = names.clone();
            }
        });
        Ok(())
    }

    /// Narrows what a field may hold by a JSON schema that is only known at run time, e.g. to the names of the tools at hand;
    /// the schema has to be self-contained and to allow only values that the field's type can read.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): there is no field of this name.
    pub fn narrow_field(&mut self, name: &str, schema: Value) -> Result<()> {
        let mut layout = (*self.state.layout).clone();
        let slot = self.slot_mut(&mut layout, name)?;
        slot.compiled = slot.compiled.narrowed(schema);
        self.change_prompt(|state| state.layout = Arc::new(layout));
        Ok(())
    }

    fn slot_mut<'l>(&self, layout: &'l mut Layout, name: &str) -> Result<&'l mut Slot> {
        layout.all_mut().find(|slot| slot.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.slots().map(|slot| format!("`{}`", slot.name())).collect();
            let message =
                format!("`{}` has no field `{name}`; it has {}", self.signature(), names.join(", "));
            Error::config(message).with_field(name)
        })
    }

    pub(crate) fn mistake(&self) -> Option<&Error> {
        self.state.mistake.as_ref()
    }

    /// Keeps a setter's mistake for the first call.
    pub(super) fn remember<T>(&mut self, result: Result<T>) -> Option<T> {
        result
            .map_err(|mistake| {
                self.change(|state| {
                    state.mistake.get_or_insert(mistake);
                })
            })
            .ok()
    }

    /// The fields in the order of files: inputs, then outputs.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.state.layout.all()
    }

    /// The fields of one role, in that order.
    pub(crate) fn slots_of(&self, role: FieldRole) -> impl Iterator<Item = &Slot> {
        self.slots().filter(move |slot| slot.compiled.field.role() == role)
    }

    /// Sets prefix and description of each field, in the order of [`slots`](Predictor::slots).
    pub(crate) fn set_field_texts(&mut self, texts: Vec<FieldText>) {
        let mut layout = (*self.state.layout).clone();
        for (slot, text) in layout.all_mut().zip(texts) {
            slot.prefix = text.prefix.map(Arc::from);
            // An empty description is one that was given; none at all is saved as the placeholder.
            slot.description = Some(text.description)
                .filter(|text| text.is_empty() || text != slot.compiled.field.description())
                .map(Arc::from);
        }
        self.change_prompt(|state| state.layout = Arc::new(layout));
    }

    pub(crate) fn notes(&self) -> &Map<String, Value> {
        &self.state.notes
    }

    pub(crate) fn set_notes(&mut self, notes: Map<String, Value>) {
        self.change(|state| state.notes = Arc::new(notes));
    }

    /// The task as its adapter sees it: instructions, fields, demos.
    pub fn task(&self) -> Task<'_> {
        Task { layout: &self.state.layout, instructions: self.instructions(), demos: &self.state.demos }
    }

    pub(super) fn plan(&self) -> Arc<PromptPlan> {
        self.prepare(&self.state.plan, &*self.state.adapter)
    }

    /// The plan for this adapter, with which an unreadable answer is asked for again.
    pub(super) fn fallback_plan(&self, adapter: &dyn Adapter) -> Arc<PromptPlan> {
        self.prepare(&self.state.fallback_plan, adapter)
    }

    fn prepare(&self, plan: &OnceLock<Arc<PromptPlan>>, adapter: &dyn Adapter) -> Arc<PromptPlan> {
        plan.get_or_init(|| Arc::new(PromptPlan::new(adapter.prepare(&self.task())))).clone()
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictor")
            .field("signature", &self.signature())
            .field("instructions", &self.instructions())
            .field("demos", &self.demos().len())
            .field("lm", &self.lm())
            .finish_non_exhaustive()
    }
}
