//! Runs a predictor: writes the prompt, calls the LM, reads the answer, and asks again where it cannot be read. Compiled
//! once, for all signatures.

use std::{borrow::Cow, pin::pin, sync::Arc};

use karat_lm::{
    CallRecord, Completion, Config, Error, ErrorKind, Finish, Lm, Message, Prompt, Request, Response,
    ResponseFormat, Result, Step, Support, Usage, internal::shortened, telemetry,
};
use serde_json::Value;
use tracing::Instrument;

use super::{
    finish,
    ladder::{self, Lesson, Refusal},
    live::Live,
    on_parse_error::OnParseError,
    predictor::{Predictor, PromptPlan},
    reasoning::{self, Reader, Split},
    violation,
};
use crate::{
    adapter::{Adapter, Demo, Inputs, Mode, NOT_GIVEN},
    field::{FieldRole, FieldValue, History, Violation},
    json::Repairs,
    prediction::Reading,
    run::Tracer,
    signature::{Layout, Slot},
};

/// Converts one completion, with its values in layout order, to typed outputs.
pub(super) type Accept<'a> = &'a mut (dyn FnMut(ReadCompletion) -> Result<()> + Send);

/// The values of one completion, and how it was read.
#[derive(Clone)]
pub(super) struct ReadCompletion {
    pub(super) values: Vec<Option<Value>>,
    pub(super) about: Reading,
}

/// Runs the predictor on these input values (in layout order), hands every readable completion to `accept`, and returns the
/// usage.
///
/// The run's step goes to the tracer, also if it fails; the usage of each call goes there as soon as it is known, so that a
/// run that is dropped midway is counted as far as known.
pub(super) async fn run(predictor: &Predictor, given: CallInputs, accept: Accept<'_>) -> Result<Usage> {
    let mut calls = Vec::with_capacity(1);
    let span = telemetry::predictor(|| predictor.path(), &predictor.state.layout.signature);
    let outcome = {
        let run = pin!(attempt(predictor, &given, accept, &mut calls));
        if span.is_heard() { run.instrument(span.get()).await } else { run.await }
    };
    span.end(outcome.as_ref().err());
    let (outputs, outcome) = match outcome {
        Ok(outputs) => (outputs, Ok(())),
        Err(error) => (Vec::new(), Err(error.with_predictor(predictor.path()))),
    };
    let usage: Usage = calls.iter().map(CallRecord::usage).sum();
    let outcome = outcome.map_err(|error| error.with_usage(usage));
    if let Some(tracer) = predictor.tracer() {
        let layout = &predictor.state.layout;
        let step = Step::new(predictor.path(), layout.signature.clone(), calls)
            .with_inputs(given.into_record(layout))
            .with_outputs(outputs);
        tracer.push(step.with_error(outcome.as_ref().err().cloned()));
    }
    outcome.map(|()| usage)
}

/// The inputs of a call: the values of the input fields in layout order.
pub(super) struct CallInputs {
    pub(super) values: Vec<Option<Value>>,
}

impl CallInputs {
    fn inputs<'a>(&'a self, predictor: &'a Predictor) -> Inputs<'a> {
        let slots = &predictor.state.layout.inputs;
        Inputs { slots, values: &self.values, extra: &predictor.run.inputs }
    }

    /// The values with their names, earlier turns first.
    fn into_record(self, layout: &Layout) -> Vec<(Cow<'static, str>, Value)> {
        let values = layout.inputs.iter().zip(self.values);
        let mut given: Vec<_> = values.filter_map(|(slot, value)| Some((slot, value?))).collect();
        given.sort_by_key(|(slot, _)| !slot.is_turns());
        given.into_iter().map(|(slot, value)| (slot.owned_name(), value)).collect()
    }

    /// The earlier turns as examples of the task.
    fn turns(&self, layout: &Layout) -> Vec<Demo> {
        let given = layout.inputs.iter().zip(&self.values).filter(|(slot, _)| slot.is_turns());
        let turns = given.filter_map(|(_, value)| value.as_ref()).flat_map(History::turns_of);
        let turns = turns.map(|values| Demo::of(layout, values.clone()));
        turns.filter(|turn| turn.inputs.iter().chain(&turn.outputs).any(Option::is_some)).collect()
    }
}

/// The messages of a run's first LM call.
pub(super) fn first_prompt(predictor: &Predictor, given: &CallInputs) -> Prompt {
    prompt(predictor, &*predictor.state.adapter, &predictor.plan(), given)
}

/// The output values that the predictor's own adapter reads from a text.
pub(super) fn read(predictor: &Predictor, given: &CallInputs, text: &str) -> Result<Vec<Option<Value>>> {
    let (task, adapter) = (predictor.task(), &predictor.state.adapter);
    let reader = Reader { adapter: &**adapter, task, inputs: given.inputs(predictor) };
    predictor.state.layout.check_rules()?;
    let answer = reasoning::split(&reader, text)?.answer;
    let values = adapter.read(&task, &reader.inputs, answer)?;
    Ok(check_values(&predictor.state.layout, values)?.0)
}

/// The values of the fields, and the repairs by field.
type Fields = (Vec<Option<Value>>, Vec<(Cow<'static, str>, Repairs)>);

/// Converts the values to their fields' types and checks their rules.
///
/// # Errors
/// As [`check_value`]'s; [`is_violation`](Error::is_violation): values break rules of their fields.
fn check_values(layout: &Layout, found: Vec<Option<FieldValue>>) -> Result<Fields> {
    let mut values = Vec::with_capacity(found.len());
    let mut repairs = Vec::new();
    let mut broken = Vec::new();
    for (slot, found) in layout.outputs.iter().zip(found) {
        let CheckedValue { value, repairs: mended, violations } = check_value(slot, found)?;
        values.push(value);
        if !mended.is_empty() {
            repairs.push((slot.owned_name(), mended));
        }
        if !violations.is_empty() {
            broken.push((slot.name(), violations));
        }
    }
    violation::require_none(broken)?;
    Ok((values, repairs))
}

/// A field's value after conversion to its type, and the rules that it breaks.
#[derive(Default)]
pub(super) struct CheckedValue {
    /// The value as the field's type writes it; the default of a field that was left out, if it has one.
    pub(super) value: Option<Value>,
    pub(super) repairs: Repairs,
    pub(super) violations: Vec<Violation>,
}

/// Converts a field's value to its type and checks its rules.
///
/// # Errors
/// [`is_parse`](Error::is_parse): the type could read the value only by changing it.
pub(super) fn check_value(slot: &Slot, found: Option<FieldValue>) -> Result<CheckedValue> {
    let field = &slot.compiled.field;
    let found = found.filter(|found| !found.value.is_null() || field.takes_null() || !field.is_optional());
    let Some(found) = found else {
        return Ok(CheckedValue { value: field.default_value(), ..CheckedValue::default() });
    };
    let FieldValue { value, repairs, .. } = slot.compiled.settle(found).map_err(|misfit| {
        Error::parse(format!("the field `{}`: {}", slot.name(), misfit.message)).with_field(slot.name())
    })?;
    let violations = slot.compiled.broken(&value);
    Ok(CheckedValue { value: Some(value), repairs, violations })
}

fn prompt(predictor: &Predictor, adapter: &dyn Adapter, plan: &PromptPlan, given: &CallInputs) -> Prompt {
    let task = predictor.task();
    let mut prompt = Prompt::new(plan.prepared.prefix.clone());
    for turn in given.turns(&predictor.state.layout) {
        // Providers refuse messages without text.
        let [asked, answered] = adapter.turn(&task, &turn).map(|text| match text.trim() {
            "" => NOT_GIVEN.to_owned(),
            _ => text,
        });
        prompt.push(Message::user(asked));
        prompt.push(Message::assistant(answered));
    }
    prompt.push(Message::user(adapter.ask(&task, &given.inputs(predictor))));
    prompt
}

/// Asks until an answer can be read, as often as the predictor's rule allows. Returns the first readable completion's values
/// by name, for the trace.
async fn attempt(
    predictor: &Predictor,
    given: &CallInputs,
    accept: Accept<'_>,
    calls: &mut Vec<CallRecord>,
) -> Result<Vec<(Cow<'static, str>, Value)>> {
    let state = &predictor.state;
    if let Some(mistake) = &state.mistake {
        return Err(mistake.clone());
    }
    state.layout.check_rules()?;
    let lm = predictor.resolve_lm()?;
    let task = predictor.task();
    let inputs = given.inputs(predictor);
    let mut adapter = &state.adapter;
    let mut plan = predictor.plan();
    let mut again = match &state.on_parse_error {
        OnParseError::Fail => 0,
        OnParseError::Reask(times) => *times,
        OnParseError::Fallback(_) => 1,
    };
    let mut prompt = first_prompt(predictor, given);
    let mut live = Live::of(predictor);
    // Why it asked again; a later answer's error alone would hide it.
    let mut first_error: Option<Error> = None;
    loop {
        let reader = Reader { adapter: &**adapter, task, inputs };
        if let Some(live) = &mut live {
            live.begin(&reader);
        }
        let call = LmCall { predictor, lm: &lm, adapter, plan: &plan };
        let failed = |error, first: Option<Error>, live: Option<&mut Live<'_>>| {
            let error = first.into_iter().fold(error, Error::after);
            live.into_iter().fold(error, |error, live| live.explain(error))
        };
        let response = match call.complete(&prompt, calls, live.as_mut()).await {
            Err(error) => return Err(failed(error, first_error, live.as_mut())),
            Ok(response) => response,
        };
        if let (Some(live), Some(first)) = (&mut live, response.completions.first()) {
            live.catch_up(first);
        }
        let mode = calls.last().map(CallRecord::mode);
        let read = |text: &str, finish: &Finish| {
            let found = adapter.read(&task, &inputs, text)?;
            let (values, repairs) = check_values(&state.layout, found)?;
            let cut = || adapter.cut_output(&task, &inputs, text).map(|field| field.name());
            Ok((values, finish::check(finish, cut, &state.layout, repairs)?))
        };
        let error = match accept_all(&response, mode, &reader, read, accept) {
            Ok((first, thoughts)) => {
                if let Some(live) = &mut live {
                    live.end(&first, thoughts.as_deref());
                }
                let slots = predictor.state.layout.slots(FieldRole::Output);
                return Ok(slots
                    .iter()
                    .zip(first)
                    .filter_map(|(slot, value)| Some((slot.owned_name(), value?)))
                    .collect());
            }
            Err(error) => error,
        };
        if let Some(call) = calls.pop() {
            calls.push(call.with_error(error.clone()));
        }
        if !error.is_parse() || again == 0 {
            return Err(failed(error, first_error, live.as_mut()));
        }
        again -= 1;
        if let Some(live) = &mut live {
            live.discard(&error);
        }
        if let OnParseError::Fallback(other) = &state.on_parse_error {
            adapter = other;
            plan = predictor.fallback_plan(&**adapter);
            prompt = self::prompt(predictor, &**adapter, &plan, given);
        }
        prompt.push(Message::assistant(shortened(error.completion().unwrap_or_default(), 4_000)));
        prompt.push(Message::user(adapter.correct(&task, &error)));
        first_error.get_or_insert(error);
    }
}

/// Hands every readable completion to `accept`; returns the first one's values and the reasoning in its text. Fails with the
/// first completion's error if none can be read.
fn accept_all(
    response: &Response,
    mode: Option<&'static str>,
    reader: &Reader<'_>,
    read: impl Fn(&str, &Finish) -> Result<Fields>,
    accept: Accept<'_>,
) -> Result<(Vec<Option<Value>>, Option<String>)> {
    let mut first_read = None;
    let mut first_error = None;
    for completion in &response.completions {
        let outcome = usable_text(completion, reader).and_then(|Split { reasoning: own, answer: text }| {
            let (values, repairs) = read(text, &completion.finish)?;
            let own = own.map(Cow::into_owned);
            let reasoning = completion.reasoning.clone().or_else(|| own.clone());
            accept(ReadCompletion { values: values.clone(), about: Reading { repairs, reasoning, mode } })?;
            Ok((values, own))
        });
        let outcome = outcome.map_err(|error| finish::explain_truncation(error, completion));
        match outcome {
            Ok(values) => first_read = first_read.or(Some(values)),
            Err(error) => first_error = first_error.or(Some(error.with_completion(completion.text.clone()))),
        }
    }
    match (first_read, first_error) {
        (Some(values), _) => Ok(values),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::new(ErrorKind::BadResponse, "the model returned no completion")),
    }
}

/// Splits a completion's text into reasoning and answer; an error if there is no answer to read.
fn usable_text<'c>(completion: &'c Completion, reader: &Reader<'_>) -> Result<Split<'c>> {
    let split = reasoning::split(reader, &completion.text);
    let has_text = split.as_ref().map_or(true, |split| !split.answer.trim().is_empty());
    match (&completion.refusal, &completion.finish) {
        (Some(refusal), _) if !has_text => Err(Error::new(
            ErrorKind::Refused,
            format!("the model refused to answer: {}", shortened(refusal, 400)),
        )
        .with_completion(refusal.clone())),
        (_, Finish::ContentFilter) => {
            Err(Error::new(ErrorKind::Filtered, "the provider's content filter held the answer back"))
        }
        (_, finish) if finish.is_broken() => Err(finish::broken_off(finish)),
        (_, Finish::Length) if !has_text => {
            Err(finish::truncated("the model reached its token limit before it wrote any answer"))
        }
        _ if !has_text => Err(Error::new(
            ErrorKind::BadResponse,
            "the model's answer is empty: it ended without text, a refusal or a limit",
        )),
        _ => split,
    }
}

/// One rung of an adapter's ladder, with the response format that this LM takes.
struct Rung<'a> {
    index: usize,
    mode: &'a Mode,
    response_format: Option<ResponseFormat>,
    is_strict: bool,
}

/// One LM call, in the best form of answer that the provider takes.
struct LmCall<'a> {
    predictor: &'a Predictor,
    lm: &'a Lm,
    adapter: &'a Arc<dyn Adapter>,
    plan: &'a PromptPlan,
}

impl LmCall<'_> {
    /// Sends the request, one rung further down the adapter's ladder each time the provider calls it a bad request. Skips the
    /// forms that the LM is known not to take. Records every rung that was sent; later calls begin where this one's refusals say.
    async fn complete(
        &self,
        prompt: &Prompt,
        calls: &mut Vec<CallRecord>,
        mut live: Option<&mut Live<'_>>,
    ) -> Result<Arc<Response>> {
        let began = self.plan.ladder.start();
        let prompt_alone =
            Rung { index: began.rung, mode: &Mode::PROMPT, response_format: None, is_strict: false };
        let mut rung = self.rung_from(began.rung).unwrap_or(prompt_alone);
        let mut refusals = Vec::new();
        loop {
            let Rung { index, mode, response_format, is_strict } = rung;
            let tracer = self.predictor.tracer();
            // Counted where it is sent, so that a call that is dropped on the wire is counted too; its tokens are not known.
            let meter = tracer.map(Tracer::meter).unwrap_or_default();
            meter.check()?;
            let config = self.config();
            let request =
                Request::new(prompt.clone()).config(config).response_format(response_format).meter(meter);
            let start = tokio::time::Instant::now();
            let caller = self.predictor.caller();
            let outcome = match &mut live {
                Some(live) => self.lm.stream_for(caller, request, &mut |delta| live.take(delta)).await,
                None => self.lm.complete_for(caller, request).await,
            };
            let elapsed = start.elapsed();
            let usage = match &outcome {
                Ok(response) => response.usage,
                Err(error) => error.spent(),
            };
            if let Some(tracer) = tracer {
                tracer.add_usage(usage.calls(usage.cached_calls));
            }
            let error = outcome.as_ref().err().cloned();
            let record =
                CallRecord::new(self.lm.name(), self.adapter.name(), mode.name).with_strict(is_strict);
            calls.push(record.with_usage(usage, elapsed).with_error(error));
            let refused = match outcome {
                Ok(response) => {
                    match self.plan.ladder.learn(began, &refusals, index) {
                        Lesson::Nothing => {}
                        lesson => self.warn_of_refused(mode, calls, lesson),
                    }
                    return Ok(response);
                }
                Err(error) if error.kind() == ErrorKind::BadRequest => error,
                Err(error) => return Err(error),
            };
            let is_named = ladder::names_form(&refused, self.lm.name());
            refusals.push(Refusal { rung: index, is_named });
            rung = self.rung_from(index + 1).ok_or(refused)?;
        }
    }

    /// The first rung from this one on that the LM is not known to refuse.
    fn rung_from(&self, first: usize) -> Option<Rung<'_>> {
        self.plan.prepared.modes.iter().enumerate().skip(first).find_map(|(index, mode)| {
            let Some(format) = &mode.response_format else {
                return Some(Rung { index, mode, response_format: None, is_strict: false });
            };
            let has_schema = matches!(format, ResponseFormat::JsonSchema { .. });
            let (format, is_strict) = match self.lm.supports(format) {
                Support::Strict => (format.clone(), has_schema),
                Support::Loose => (format.clone().loose(), false),
                _ => return None,
            };
            Some(Rung { index, mode, response_format: Some(format), is_strict })
        })
    }

    /// Warns of each refused rung, once for a predictor, or twice where it is first tried again and then not.
    fn warn_of_refused(&self, taken: &Mode, calls: &[CallRecord], lesson: Lesson) {
        let from_now_on = lesson == Lesson::ForGood;
        let refused = calls.iter().rev().skip(1).map_while(|call| Some((call.mode(), call.error()?)));
        for (mode, error) in refused.filter(|(_, error)| error.kind() == ErrorKind::BadRequest) {
            tracing::warn!(
                predictor = &*self.predictor.path(),
                model = self.lm.name(),
                refused = mode,
                taken = taken.name,
                from_now_on,
                %error,
                "the provider refused a form of the answer and took the next one down the ladder; where its error does not name \
                 the form, that form is tried again later"
            );
        }
    }

    /// The config of the request: the predictor's values and the run's, which replace the LM's.
    fn config(&self) -> Config {
        let mut config = self.predictor.state.config.clone();
        config.temperature = config.temperature.or(self.predictor.run.temperature);
        config.rollout_id = self.predictor.run.rollout_id.or(config.rollout_id);
        if config.stop.is_empty() {
            config.stop.clone_from(&self.plan.prepared.stop);
        }
        config
    }
}
