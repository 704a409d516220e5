//! The predictor: everything that a module's leaf knows, without its types.
//!
//! Its state is shared and copied on the first write, so that a copy of a module costs a few reference counts. Beside it
//! stands what one run sets on a copy: see [`Run`].

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{ladder::Ladder, on_parse_error::OnParseError};
use crate::{
    adapter::{Adapter, ChatAdapter, Demo, Prepared, Task},
    field::{Field, FieldRole},
    lm::{Caller, CallerId, Config, Lm, configured},
    report::{Error, Result},
    run::Tracer,
    signature::{Layout, Place, Signature, Slot, Spec},
    stream::Listener,
};

/// What a predictor knows and how it is set for one run; the untyped part of [`Predict`](crate::Predict), which the
/// traversal finds in modules.
#[derive(Clone)]
pub struct Predictor {
    pub(super) state: Arc<State>,
    pub(super) run: Run,
    /// Who it is in the history of calls: copies are the same predictor, deep copies are not.
    id: CallerId,
}

/// What is learned or set for good.
#[derive(Clone)]
pub(super) struct State {
    pub(super) spec: &'static Spec,
    pub(super) layout: Arc<Layout>,
    pub(super) instructions: Option<Arc<str>>,
    pub(super) demos: Arc<Vec<Demo>>,
    /// What optimizers of DSPy noted down in its file; kept for the next one.
    notes: Arc<Map<String, Value>>,
    pub(super) lm: Option<Lm>,
    /// Whether a state file brought the LM, which the program's own goes before.
    is_lm_of_state: bool,
    pub(super) config: Config,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) on_parse_error: OnParseError,
    /// The constant part of the prompt, written at the first call; emptied by every change that it depends on.
    ready: OnceLock<Arc<Ready>>,
    /// The same for the adapter in whose form is asked again.
    ready_again: OnceLock<Arc<Ready>>,
    /// A setter's mistake, told at the first call: setters return no `Result`.
    pub(super) mistake: Option<Error>,
}

/// What an adapter made for a predictor, and what is known of the rungs of its ladder that the LM's provider takes.
pub(super) struct Ready {
    pub(super) prepared: Prepared,
    pub(super) ladder: Ladder,
}

impl Ready {
    pub(super) fn new(prepared: Prepared) -> Self {
        Self { prepared, ladder: Ladder::default() }
    }
}

/// What one run sets on the predictors of its copy of a module.
#[derive(Clone, Default)]
pub(super) struct Run {
    pub(super) tracer: Option<Tracer>,
    listener: Option<Listener>,
    pub(super) path: Option<Arc<str>>,
    pub(super) rollout_id: Option<u64>,
    pub(super) rollout_room: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) inputs: Arc<[(Field, Value)]>,
}

/// What a state says of one field: its prefix, where it is not the one derived from the name, and its description.
pub(crate) struct FieldText {
    pub(crate) prefix: Option<String>,
    pub(crate) description: String,
}

impl Predictor {
    pub(super) fn new<S: Signature>() -> Self {
        let spec = S::spec();
        let state = State {
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
            ready: OnceLock::new(),
            ready_again: OnceLock::new(),
            mistake: None,
        };
        Self { state: Arc::new(state), run: Run::default(), id: CallerId::unique() }
    }

    /// Changes the state, of this copy only, where the prompt's constant part does not depend on the change.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut State)) {
        change(Arc::make_mut(&mut self.state));
    }

    /// Changes the state, of this copy only, and has the prompt's constant part written anew.
    pub(super) fn change_prompt(&mut self, change: impl FnOnce(&mut State)) {
        let state = Arc::make_mut(&mut self.state);
        change(state);
        (state.ready, state.ready_again) = Default::default();
    }

    /// The name of its signature.
    pub fn signature(&self) -> &'static str {
        self.state.spec.name()
    }

    /// True if both are of the same signature.
    pub(crate) fn is_of_signature_of(&self, other: &Predictor) -> bool {
        std::ptr::eq(self.state.spec, other.state.spec) && self.field_names() == other.field_names()
    }

    /// What tells it from predictors of other signatures or with other fields: `` `Qa` (question -> answer)``.
    pub(crate) fn outline(&self) -> String {
        let (inputs, outputs) = self.field_names();
        format!("`{}` ({} -> {})", self.signature(), inputs.join(", "), outputs.join(", "))
    }

    /// The names of its input and output fields in prompt order, added ones included.
    pub fn field_names(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let names = |role| self.slots_of(role).map(Slot::name).collect();
        (names(FieldRole::Input), names(FieldRole::Output))
    }

    /// What it is told to do.
    pub fn instructions(&self) -> &str {
        self.state.instructions.as_deref().unwrap_or(&self.state.layout.instructions)
    }

    /// Sets what it is told to do.
    pub fn set_instructions(&mut self, instructions: impl Into<Arc<str>>) {
        self.change_prompt(|state| state.instructions = Some(instructions.into()));
    }

    /// What the model is told of a field; empty where there is nothing to tell, or no such field.
    pub fn description(&self, field: &str) -> &str {
        self.slots().find(|slot| slot.name() == field).map_or("", Slot::shown_description)
    }

    /// Sets what the model is told of a field, in place of the description in the source.
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

    /// A worked example of values by field name, added fields included. Values of other names stay with it and are saved, and
    /// no prompt shows them.
    pub fn demo_of(&self, values: Map<String, Value>) -> Demo {
        Demo::of(&self.state.layout, values)
    }

    /// A worked example's values by field name, others that came with it last; what it does not say is left out.
    pub fn dump_demo(&self, demo: &Demo) -> Value {
        Value::Object(demo.values())
    }

    /// The LM that was set on it; the process default is not looked at.
    pub fn lm(&self) -> Option<&Lm> {
        self.state.lm.as_ref()
    }

    /// Sets its LM. One that is set so stays when a [state](crate::State) is loaded, unless the state is told to
    /// [take its own](crate::State::take_lm).
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

    /// Sets how its prompts are written and its answers read.
    pub fn set_adapter(&mut self, adapter: Arc<dyn Adapter>) {
        self.change_prompt(|state| state.adapter = adapter);
    }

    /// Takes its LM away: the process default is used.
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
    fn any_lm(&self) -> Option<Lm> {
        self.state.lm.clone().or_else(configured)
    }

    /// How it generates, where that differs from its LM.
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
        let index = layout.add(field, place)?;
        let names = layout.names();
        self.change_prompt(|state| {
            state.layout = Arc::new(layout);
            // The demos keep their values at their fields.
            for demo in Arc::make_mut(&mut state.demos) {
                let values = match field.role() {
                    FieldRole::Input => &mut demo.inputs,
                    FieldRole::Output => &mut demo.outputs,
                };
                values.insert(index.min(values.len()), None);
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
            // An empty one was said: saying nothing is the placeholder.
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

    pub(super) fn ready(&self) -> Arc<Ready> {
        self.prepared(&self.state.ready, &*self.state.adapter)
    }

    /// What the adapter made with which an unreadable answer is asked for again.
    pub(super) fn ready_again(&self, adapter: &dyn Adapter) -> Arc<Ready> {
        self.prepared(&self.state.ready_again, adapter)
    }

    fn prepared(&self, ready: &OnceLock<Arc<Ready>>, adapter: &dyn Adapter) -> Arc<Ready> {
        ready.get_or_init(|| Arc::new(Ready::new(adapter.prepare(&self.task())))).clone()
    }
}

/// What one run sets on a copy. Wrappers use it; so can any module author: clone the module, set these on
/// [`named_predictors_mut`](crate::Module::named_predictors_mut), run the copy.
impl Predictor {
    /// The path from the root of the outermost module that is being called; `self` where none is set.
    pub fn path(&self) -> Arc<str> {
        self.run.path.clone().unwrap_or_else(|| "self".into())
    }

    /// How it is known to the LMs that it calls. A clone is the same caller; a [deep copy](crate::Module::deepcopy) is not.
    pub fn caller(&self) -> Caller {
        Caller::new(self.path(), self.id)
    }

    pub(crate) fn renew_caller(&mut self) {
        self.id = CallerId::unique();
    }

    /// Where it writes what it does.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.run.tracer.as_ref()
    }

    /// Sets where it writes what it does. The path stays if an outer run has set one.
    pub fn set_tracer(&mut self, tracer: &Tracer, path: &str) {
        self.run.tracer = Some(tracer.clone());
        self.run.path.get_or_insert_with(|| path.into());
    }

    /// Who is told what it writes.
    pub fn listener(&self) -> Option<&Listener> {
        self.run.listener.as_ref()
    }

    /// Sets who is told what it writes, word by word: its LM is asked to [stream](crate::LanguageModel::call) the answer.
    pub fn set_listener(&mut self, listener: &Listener) {
        self.run.listener = Some(listener.clone());
    }

    /// The id at which rollouts of this predictor begin to count: an outer rollout's, else its own, else its LM's, else 0.
    pub fn rollout_id(&self) -> u64 {
        let lm = || self.any_lm().and_then(|lm| lm.config().rollout_id);
        self.run.rollout_id.or(self.state.config.rollout_id).or_else(lm).unwrap_or(0)
    }

    /// Sets the rollout id of the run.
    pub fn set_rollout_id(&mut self, id: u64) {
        self.run.rollout_id = Some(id);
    }

    /// How many ids from [`rollout_id`](Predictor::rollout_id) on are this run's own; `None` outside of rollouts, where there
    /// is no end to them.
    pub fn rollout_room(&self) -> Option<u64> {
        self.run.rollout_room
    }

    /// Sets the rollout id of the run, and how many ids from it on no other rollout uses.
    pub fn set_rollout_ids(&mut self, first: u64, room: u64) {
        self.run.rollout_id = Some(first);
        self.run.rollout_room = Some(room);
    }

    /// The temperature that an outer rollout has set.
    pub fn run_temperature(&self) -> Option<f64> {
        self.run.temperature
    }

    /// Sets the temperature of the run. It replaces the LM's; one that the predictor fixed for itself stays.
    pub fn set_run_temperature(&mut self, temperature: f64) {
        self.run.temperature = Some(temperature);
    }

    /// Gives the run an input that the model sees in the last message and that is in no task, trace or demo. One of the same
    /// name is replaced.
    pub fn set_run_input(&mut self, field: Field, value: impl Into<Value>) {
        let others = self.run.inputs.iter().filter(|(other, _)| other.name() != field.name()).cloned();
        self.run.inputs = others.chain([(field, value.into())]).collect();
    }

    /// The inputs of this run alone.
    pub fn run_inputs(&self) -> &[(Field, Value)] {
        &self.run.inputs
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
