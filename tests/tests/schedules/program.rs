//! The programs of a schedule: predictors, modules of two, wrappers around them at any depth.

use std::time::Duration;

use fastrand::Rng;
use karat::{
    BestOfN, BoxModule, Budget, ChainOfThought, Critic, Lm, Module, OnParseError, Predict, Prediction,
    Refine, Result, Reward, Score, module,
};

pub use super::shared::QaInput;
use super::{
    checks::Checked,
    shared::{MakeQuery, MakeQueryInput, Qa},
    upstream::PANIC,
    world::World,
};

/// Any of the programs.
pub type Any = BoxModule<QaInput, String>;

#[module]
struct One {
    predict: Predict<Qa>,
}

#[module]
impl One {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        Ok(self.predict.call(input).await?.map(|output| output.answer))
    }
}

#[module]
struct Thought {
    thought: ChainOfThought<Qa>,
}

#[module]
impl Thought {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        Ok(self.thought.call(input).await?.map(|output| output.answer.clone()))
    }
}

/// One after the other.
#[module]
struct Steps {
    query: Predict<MakeQuery>,
    answer: ChainOfThought<Qa>,
}

#[module]
impl Steps {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        let query = self.query.call(MakeQueryInput { question: input.question }).await?;
        let answer = self.answer.call(QaInput { question: query.into_inner().query }).await?;
        Ok(answer.map(|output| output.answer.clone()))
    }
}

/// Both at once, with one question.
#[module]
struct Twins {
    left: Predict<Qa>,
    right: Predict<Qa>,
}

#[module]
impl Twins {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        let (left, right) = tokio::join!(self.left.call(input.clone()), self.right.call(input));
        right?;
        Ok(left?.map(|output| output.answer))
    }
}

/// A reward that follows the text of an answer.
#[module]
struct Graded {
    #[module(skip)]
    world: World,
    #[module(skip)]
    takes: Duration,
    has_feedback: bool,
    is_outermost: bool,
}

impl Reward<QaInput, String> for Graded {
    async fn evaluate(&self, _: &QaInput, prediction: &Prediction<String>) -> Result<Score> {
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let value = match prediction.as_str() {
            "panic" => panic!("{PANIC}"),
            "error" => return Err(karat::Error::other("a scheduled failure of the reward")),
            text => text.parse().unwrap_or(0.4),
        };
        self.world.note(format!("reward {value}"));
        if self.is_outermost && !f64::is_nan(value) {
            self.world.rewards().push(value);
        }
        let score = Score::new(value);
        Ok(if self.has_feedback { score.with_feedback("be better") } else { score })
    }
}

/// A program that a seed describes.
#[derive(Clone, Debug)]
pub enum Program {
    One(Reask),
    Thought,
    Steps,
    Twins,
    Best { judged: Judged, concurrency: usize },
    Refine { judged: Judged, always: bool, own_critic: bool },
    Budgeted { calls: Option<u64>, tokens: Option<u64>, inner: Box<Program> },
}

/// How an unreadable answer is handled.
#[derive(Clone, Copy, Debug)]
pub enum Reask {
    Fails,
    Times(u32),
    Json,
}

#[derive(Clone, Debug)]
pub struct Judged {
    pub inner: Box<Program>,
    pub n: usize,
    pub threshold: Option<f64>,
    pub fail_count: Option<usize>,
    pub deadline: Option<Duration>,
    reward_takes: Duration,
    has_feedback: bool,
}

impl Program {
    /// A random one; the outermost has a depth of 0.
    pub fn random(dice: &mut Rng, depth: u32) -> Self {
        let inner = |dice: &mut Rng| Box::new(Self::random(dice, depth + 1));
        match dice.u8(..if depth < 2 { 10 } else { 4 }) {
            0 => Self::One(match dice.u8(..3) {
                0 => Reask::Fails,
                1 => Reask::Times(dice.u32(1..=2)),
                _ => Reask::Json,
            }),
            1 => Self::Thought,
            2 => Self::Steps,
            3 => Self::Twins,
            4..=6 => {
                let n = if depth == 0 { dice.usize(1..=5) } else { dice.usize(1..=3) };
                Self::Best { judged: Judged::random(dice, n, inner), concurrency: dice.usize(1..=n) }
            }
            7 | 8 => {
                let n = dice.usize(1..=3);
                let judged = Judged::random(dice, n, inner);
                Self::Refine { judged, always: dice.bool(), own_critic: dice.bool() }
            }
            _ => Self::Budgeted {
                calls: dice.bool().then(|| dice.u64(..6)),
                tokens: dice.bool().then(|| dice.u64(..2_000)),
                inner: inner(dice),
            },
        }
    }

    /// The module; its LMs are set by the caller.
    pub fn build(&self, world: &World, critic: &Lm, is_outermost: bool) -> Any {
        match self {
            Self::One(reask) => {
                let predict = Predict::new();
                let predict = match reask {
                    Reask::Fails => predict.on_parse_error(OnParseError::Fail),
                    Reask::Times(times) => predict.on_parse_error(OnParseError::Reask(*times)),
                    Reask::Json => predict,
                };
                One { predict }.boxed()
            }
            Self::Thought => Thought { thought: ChainOfThought::new() }.boxed(),
            Self::Steps => Steps { query: Predict::new(), answer: ChainOfThought::new() }.boxed(),
            Self::Twins => Twins { left: Predict::new(), right: Predict::new() }.boxed(),
            Self::Best { judged, concurrency } => {
                let module = judged.inner.build(world, critic, false);
                let mut best = BestOfN::with_reward(module, judged.n, judged.reward(world, is_outermost))
                    .concurrency(*concurrency);
                judged.set(&mut best, BestOfN::threshold, BestOfN::fail_count, BestOfN::deadline);
                Checked::around(best.boxed(), world, judged, is_outermost).boxed()
            }
            Self::Refine { judged, always, own_critic } => {
                let module = judged.inner.build(world, critic, false);
                let mut refine = Refine::with_reward(module, judged.n, judged.reward(world, is_outermost));
                judged.set(&mut refine, Refine::threshold, Refine::fail_count, Refine::deadline);
                if *always {
                    refine = refine.critic(Critic::Always);
                }
                if *own_critic {
                    refine = refine.feedback_lm(critic);
                }
                Checked::around(refine.boxed(), world, judged, is_outermost).boxed()
            }
            Self::Budgeted { calls, tokens, inner } => {
                let budget = tokens.iter().fold(Budget::new(), |budget, tokens| budget.tokens(*tokens));
                let budget = calls.iter().fold(budget, |budget, calls| budget.calls(*calls));
                inner.build(world, critic, is_outermost).budget(budget).boxed()
            }
        }
    }

    /// The LM calls of one run, retries not counted.
    pub fn most_calls(&self) -> u64 {
        // An unreadable answer is asked for again, in the JSON adapter's three forms.
        const EACH: u64 = 4;
        match self {
            Self::One(Reask::Fails) => 1,
            Self::One(Reask::Times(times)) => 1 + u64::from(*times),
            Self::One(Reask::Json) | Self::Thought => EACH,
            Self::Steps | Self::Twins => 2 * EACH,
            Self::Best { judged, .. } => judged.n as u64 * judged.inner.most_calls(),
            Self::Refine { judged, .. } => {
                judged.n as u64 * judged.inner.most_calls() + (judged.n as u64 - 1) * EACH
            }
            Self::Budgeted { calls, inner, .. } => {
                calls.map_or(inner.most_calls(), |calls| calls.min(inner.most_calls()))
            }
        }
    }

    /// The longest that a run takes where one LM call takes this long at most.
    pub fn longest(&self, call: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Best { judged, .. } => judged.longest(call, 0),
            Self::Refine { judged, .. } => judged.longest(call, 4 * (judged.n as u32 - 1)),
            Self::Budgeted { inner, .. } => inner.longest(call),
            simple => Some(call? * simple.most_calls() as u32),
        }
    }

    /// Whether a panic of the model or of a reward is caught.
    pub fn catches_panics(&self) -> bool {
        match self {
            Self::Best { .. } | Self::Refine { .. } => true,
            Self::Budgeted { inner, .. } => inner.catches_panics(),
            _ => false,
        }
    }

    /// The calls that are bounded by the outermost budget.
    pub fn budget(&self) -> Option<u64> {
        match self {
            Self::Budgeted { calls, inner, .. } => calls.iter().copied().chain(inner.budget()).min(),
            _ => None,
        }
    }
}

impl Judged {
    fn random(dice: &mut Rng, n: usize, inner: impl Fn(&mut Rng) -> Box<Program>) -> Self {
        Self {
            inner: inner(dice),
            n,
            threshold: dice
                .choice(&[None, Some(0.3), Some(0.6), Some(1.0), Some(f64::INFINITY)])
                .copied()
                .unwrap(),
            fail_count: (dice.u8(..3) == 0).then(|| dice.usize(..=n)),
            deadline: dice
                .bool()
                .then(|| Duration::from_millis(*dice.choice(&[0, 10, 1_000, 5_000, 60_000]).unwrap())),
            reward_takes: Duration::from_millis(*dice.choice(&[0, 0, 10, 3_000]).unwrap()),
            has_feedback: dice.bool(),
        }
    }

    fn reward(&self, world: &World, is_outermost: bool) -> Graded {
        let world = world.clone();
        Graded { world, takes: self.reward_takes, has_feedback: self.has_feedback, is_outermost }
    }

    fn set<W: Clone>(
        &self,
        wrapper: &mut W,
        threshold: fn(W, f64) -> W,
        fail_count: fn(W, usize) -> W,
        deadline: fn(W, Duration) -> W,
    ) {
        let set = self.threshold.iter().fold(wrapper.clone(), |wrapper, reward| threshold(wrapper, *reward));
        let set = self.fail_count.iter().fold(set, |wrapper, failures| fail_count(wrapper, *failures));
        *wrapper = self.deadline.iter().fold(set, |wrapper, time| deadline(wrapper, *time));
    }

    fn longest(&self, call: Option<Duration>, further: u32) -> Option<Duration> {
        let run = self.inner.longest(call).map(|run| (run + self.reward_takes) * self.n as u32);
        let all = run.and_then(|run| Some(run + call? * further));
        match (self.deadline, all) {
            (Some(deadline), Some(all)) => Some(deadline.min(all)),
            (deadline, all) => deadline.or(all),
        }
    }
}
