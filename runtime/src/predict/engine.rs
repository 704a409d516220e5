//! One run of a predictor: prompt, LM call, reading, and what to do about an answer that cannot be read. Compiled once, for
//! all signatures.

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use serde_json::Value;
use tracing::Instrument;

use super::{
    finish,
    ladder::{self, Lesson, Refusal},
    live::Live,
    on_parse_error::OnParseError,
    predictor::{Predictor, Ready},
    reasoning::{self, Reader, Split},
    violation,
};
use crate::{
    adapter::{Adapter, Demo, Inputs, Mode, NOT_GIVEN, Prepared},
    field::{FieldRole, FieldValue, Violation},
    json::Repairs,
    lm::{
        Completion, Config, Finish, Lm, Message, Prompt, Request, Response, ResponseFormat, Support, Usage,
    },
    prediction::Reading,
    report::{CallRecord, Step},
    report::{Error, ErrorKind, Result},
    run::Tracer,
    signature::{Layout, Slot},
    telemetry,
    text::shortened,
};

/// Takes one completion, its values in layout order, as typed outputs, or says why it cannot.
pub(super) type Accept<'a> = &'a mut (dyn FnMut(Answer) -> Result<()> + Send);

/// What was read from one completion.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) values: Vec<Option<Value>>,
    pub(super) about: Reading,
}

/// Runs the predictor on these input values (in layout order), hands every readable completion to `accept`, and tells what it
/// cost.
///
/// The run's step goes to the tracer, also if it fails; the usage of each call goes there as soon as it is known, so that a
/// run that is dropped midway is counted as far as known.
pub(super) async fn run(predictor: &Predictor, given: Given, accept: Accept<'_>) -> Result<Usage> {
    let mut calls = Vec::new();
    let span = telemetry::predictor(|| predictor.path(), predictor.state.layout.signature);
    let outcome = {
        let run = pin!(attempt(predictor, &given, accept, &mut calls));
        if span.is_heard() { run.instrument(span.get()).await } else { run.await }
    };
    span.end(outcome.as_ref().err());
    let (outputs, outcome) = match outcome {
        Ok(outputs) => (outputs, Ok(())),
        Err(error) => (Vec::new(), Err(error.with_predictor(predictor.path()))),
    };
    let usage: Usage = calls.iter().map(|call| call.usage).sum();
    let outcome = outcome.map_err(|error| error.with_usage(usage));
    if let Some(tracer) = predictor.tracer() {
        let layout = &predictor.state.layout;
        let history = layout.history.as_ref().map(|(_, slot)| slot).zip(given.history);
        let values = layout.inputs.iter().zip(given.values).filter_map(|(slot, value)| Some((slot, value?)));
        let inputs = history.into_iter().chain(values).map(|(slot, value)| (slot.name(), value)).collect();
        tracer.push(Step {
            predictor: predictor.path(),
            signature: layout.signature,
            inputs,
            outputs,
            calls,
            error: outcome.as_ref().err().cloned(),
        });
    }
    outcome.map(|()| usage)
}

/// What a call is given: the values of the input fields in layout order, and the earlier turns.
pub(super) struct Given {
    pub(super) values: Vec<Option<Value>>,
    pub(super) history: Option<Value>,
}

impl Given {
    fn inputs<'a>(&'a self, predictor: &'a Predictor) -> Inputs<'a> {
        Inputs { values: &self.values, history: self.history.as_ref(), extra: &predictor.run.inputs }
    }

    /// The earlier turns as examples of the task.
    fn turns(&self, layout: &Layout) -> Vec<Demo> {
        let messages = self.history.as_ref().and_then(|history| history.get("messages")?.as_array());
        let turns = messages.into_iter().flatten().filter_map(Value::as_object);
        let turns = turns.map(|values| Demo::of(layout, values.clone()));
        turns.filter(|turn| turn.inputs.iter().chain(&turn.outputs).any(Option::is_some)).collect()
    }
}

/// The messages of a run's first LM call.
pub(super) fn first_prompt(predictor: &Predictor, given: &Given) -> Prompt {
    prompt(predictor, &predictor.state.adapter, &predictor.ready().prepared, given)
}

/// The output values that the predictor's own adapter reads from a text.
pub(super) fn read(predictor: &Predictor, given: &Given, text: &str) -> Result<Vec<Option<Value>>> {
    let (task, adapter) = (predictor.task(), &predictor.state.adapter);
    let reader = Reader { adapter: &**adapter, task, inputs: given.inputs(predictor) };
    predictor.state.layout.check_rules()?;
    let answer = reasoning::split(&reader, text)?.answer;
    let values = adapter.read(&task, &reader.inputs, answer)?;
    Ok(all_settled(&predictor.state.layout, values)?.0)
}

/// What was read of the fields: values, and what was mended, by field.
type Fields = (Vec<Option<Value>>, Vec<(&'static str, Repairs)>);

/// The values as the fields' types want them.
///
/// # Errors
/// As [`settled`]'s; [`is_violation`](Error::is_violation): values break rules of their fields.
fn all_settled(layout: &Layout, found: Vec<Option<FieldValue>>) -> Result<Fields> {
    let mut values = Vec::with_capacity(found.len());
    let mut repairs = Vec::new();
    let mut broken = Vec::new();
    for (slot, found) in layout.outputs.iter().zip(found) {
        let Settled { value, repairs: mended, violations } = settled(slot, found)?;
        values.push(value);
        if !mended.is_empty() {
            repairs.push((slot.name(), mended));
        }
        if !violations.is_empty() {
            broken.push((slot.name(), violations));
        }
    }
    violation::all_kept(broken)?;
    Ok((values, repairs))
}

/// What a field's value comes to.
#[derive(Default)]
pub(super) struct Settled {
    /// The value as the field's type wants it; the field's default if it has one and was left out.
    pub(super) value: Option<Value>,
    pub(super) repairs: Repairs,
    pub(super) violations: Vec<Violation>,
}

/// Brings a field's value to its type.
///
/// # Errors
/// [`is_parse`](Error::is_parse): the type would take the value and change it.
pub(super) fn settled(slot: &Slot, found: Option<FieldValue>) -> Result<Settled> {
    let field = &slot.compiled.field;
    let found = found.filter(|found| !found.value.is_null() || field.takes_null() || !field.is_optional());
    let Some(found) = found else {
        return Ok(Settled { value: field.default_value(), ..Settled::default() });
    };
    let FieldValue { value, repairs, .. } = slot.compiled.settle(found).map_err(|misfit| {
        Error::parse(format!("the field `{}`: {}", slot.name(), misfit.message)).with_field(slot.name())
    })?;
    let violations = slot.compiled.broken(&value);
    Ok(Settled { value: Some(value), repairs, violations })
}

fn prompt(predictor: &Predictor, adapter: &Arc<dyn Adapter>, prepared: &Prepared, given: &Given) -> Prompt {
    let task = predictor.task();
    let mut prompt = Prompt::new(prepared.prefix.clone());
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
    given: &Given,
    accept: Accept<'_>,
    calls: &mut Vec<CallRecord>,
) -> Result<Vec<(&'static str, Value)>> {
    let state = &predictor.state;
    if let Some(mistake) = &state.mistake {
        return Err(mistake.clone());
    }
    state.layout.check_rules()?;
    let lm = predictor.resolve_lm()?;
    let task = predictor.task();
    let inputs = given.inputs(predictor);
    let mut adapter = &state.adapter;
    let mut ready = predictor.ready();
    let mut again = match &state.on_parse_error {
        OnParseError::Fail => 0,
        OnParseError::Reask(times) => *times,
        OnParseError::Fallback(_) => 1,
    };
    let mut prompt = first_prompt(predictor, given);
    let mut live = Live::of(predictor);
    // What made it ask again, which an error of a later answer alone would hide.
    let mut first_error: Option<Error> = None;
    loop {
        let reader = Reader { adapter: &**adapter, task, inputs };
        if let Some(live) = &mut live {
            live.begin(&reader);
        }
        let call = Call { predictor, lm: &lm, adapter, ready: &ready };
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
        let mode = calls.last().map(|call| call.mode);
        let read = |text: &str, finish: &Finish| {
            let found = adapter.read(&task, &inputs, text)?;
            let (values, repairs) = all_settled(&state.layout, found)?;
            let cut = || adapter.cut_output(&task, &inputs, text).map(|field| field.name());
            Ok((values, finish::checked(finish, cut, &state.layout, repairs)?))
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
                    .filter_map(|(slot, value)| Some((slot.name(), value?)))
                    .collect());
            }
            Err(error) => error,
        };
        if let Some(call) = calls.last_mut() {
            call.error = Some(error.clone());
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
            ready = predictor.ready_again(&**adapter);
            prompt = self::prompt(predictor, adapter, &ready.prepared, given);
        }
        prompt.push(Message::assistant(shortened(error.completion().unwrap_or_default(), 4_000)));
        prompt.push(Message::user(adapter.correct(&task, &error)));
        first_error.get_or_insert(error);
    }
}

/// Hands every readable completion to `accept`; returns the first one's values and the reasoning in its text; an error only if
/// there is none, the first one's.
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
            accept(Answer { values: values.clone(), about: Reading { repairs, reasoning, mode } })?;
            Ok((values, own))
        });
        let outcome = outcome.map_err(|error| finish::explain_cut(error, completion));
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

/// The completion's text, its reasoning apart, or why there is none to read.
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
        (_, finish) if finish.is_broken() => Err(finish::broken(finish)),
        (_, Finish::Length) if !has_text => {
            Err(finish::cut("the model reached its token limit before it wrote any answer"))
        }
        _ if !has_text => Err(Error::new(
            ErrorKind::BadResponse,
            "the model's answer is empty: it ended without text, a refusal or a limit",
        )),
        _ => split,
    }
}

/// One rung of an adapter's ladder, as this LM is asked on it.
struct Rung<'a> {
    index: usize,
    mode: &'a Mode,
    response_format: Option<ResponseFormat>,
    is_strict: bool,
}

/// One question to the LM, in the best form that its provider takes.
struct Call<'a> {
    predictor: &'a Predictor,
    lm: &'a Lm,
    adapter: &'a Arc<dyn Adapter>,
    ready: &'a Ready,
}

impl Call<'_> {
    /// Goes down the adapter's ladder: past the forms that the LM is known not to take, and on as long as the provider calls
    /// the request wrong. Every rung that was sent is recorded; what was refused and what was taken tells where the next call begins.
    async fn complete(
        &self,
        prompt: &Prompt,
        calls: &mut Vec<CallRecord>,
        mut live: Option<&mut Live<'_>>,
    ) -> Result<Arc<Response>> {
        let began = self.ready.ladder.start();
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
            let request = Request { config, response_format, meter, ..Request::new(prompt.clone()) };
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
                tracer.add_usage(Usage { calls: usage.cached_calls, ..usage });
            }
            let record =
                CallRecord { is_strict, ..self.record(mode.name, usage, elapsed, outcome.as_ref().err()) };
            calls.push(record);
            let refused = match outcome {
                Ok(response) => {
                    match self.ready.ladder.learn(began, &refusals, index) {
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
        self.ready.prepared.modes.iter().enumerate().skip(first).find_map(|(index, mode)| {
            let Some(format) = &mode.response_format else {
                return Some(Rung { index, mode, response_format: None, is_strict: false });
            };
            let has_schema = matches!(format, ResponseFormat::JsonSchema { .. });
            let (format, is_strict) = match self.lm.supports(format) {
                Support::Strict => (format.clone(), has_schema),
                Support::Loose => (format.clone().loose(), false),
                Support::None => return None,
            };
            Some(Rung { index, mode, response_format: Some(format), is_strict })
        })
    }

    /// Once for each predictor and rung, whether it is tried again or not.
    fn warn_of_refused(&self, taken: &Mode, calls: &[CallRecord], lesson: Lesson) {
        let from_now_on = lesson == Lesson::ForGood;
        let refused = calls.iter().rev().skip(1).map_while(|call| Some((call.mode, call.error.as_ref()?)));
        for (mode, error) in refused.filter(|(_, error)| error.kind() == ErrorKind::BadRequest) {
            tracing::warn!(
                predictor = &*self.predictor.path(),
                model = self.lm.name(),
                refused = mode,
                taken = taken.name,
                from_now_on,
                %error,
                "the provider refused the form of the answer and took the next one down; where its error does not name the form, \
                 that is tried again"
            );
        }
    }

    fn record(
        &self,
        mode: &'static str,
        usage: Usage,
        elapsed: Duration,
        error: Option<&Error>,
    ) -> CallRecord {
        let (lm, adapter) = (self.lm.name().to_owned(), self.adapter.name());
        CallRecord { lm, adapter, mode, is_strict: false, usage, elapsed, error: error.cloned() }
    }

    /// The predictor's own values, then the run's, over what the LM's handle has.
    fn config(&self) -> Config {
        let mut config = self.predictor.state.config.clone();
        config.temperature = config.temperature.or(self.predictor.run.temperature);
        config.rollout_id = self.predictor.run.rollout_id.or(config.rollout_id);
        if config.stop.is_empty() {
            config.stop.clone_from(&self.ready.prepared.stop);
        }
        config
    }
}
