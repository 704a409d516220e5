//! A wrapper that an author outside of karat writes: it does what `BestOfN` does, with the public API alone.

use karat::{
    BestOfN, Error, ErrorKind, Module, Predict, Prediction, Result, Rollout, Stop,
    author::{BoxReward, IntoScore, Tracer, rollout_width, traced},
    traverse::{Traverse, Walker, WalkerMut},
};

use crate::support::{
    Qa, answers, ask, chosen, echo_id, failure, ids, number, qa, reply, rewards, server_error, temperatures,
};

/// Runs a module until a reward is positive, at most `n` times; the best is returned.
#[derive(Clone)]
struct UntilPositive<M: Module> {
    module: M,
    n: usize,
    reward: BoxReward<M::Input, M::Output>,
}

impl<M: Module> UntilPositive<M> {
    fn new<R: IntoScore + 'static>(
        module: M,
        n: usize,
        reward: impl Fn(&M::Input, &Prediction<M::Output>) -> R + Send + Sync + 'static,
    ) -> Self {
        let reward = BoxReward::from_fn(reward);
        Self { module, n, reward }
    }
}

impl<M: Module> Module for UntilPositive<M> {
    type Input = M::Input;
    type Output = M::Output;

    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        let outer = self.module.predictors().iter().find_map(|p| p.tracer().cloned()).unwrap_or_default();
        let costs = outer.child();
        let (mut rollouts, mut best) = (Vec::new(), None::<(usize, f64, Prediction<M::Output>, Tracer)>);
        for index in 0..self.n {
            let tracer = costs.child();
            let mut copy = traced(&self.module, &tracer);
            for (_, predictor) in copy.named_predictors_mut() {
                let width = rollout_width(&self.module);
                predictor.set_rollout_ids(predictor.rollout_id() + width * index as u64, width);
                predictor.set_run_temperature(predictor.run_temperature().unwrap_or(1.0));
            }
            let outcome = async {
                let prediction = copy.forward(input.clone()).await?;
                let score = self.reward.evaluate(&input, &prediction, &tracer.child()).await?;
                Ok::<_, Error>((score.value(), prediction))
            };
            let rollout = Rollout::new(index, copy.predictors().first().map_or(0, |p| p.rollout_id()));
            match outcome.await {
                Ok((reward, prediction)) => {
                    rollouts
                        .push(rollout.with_score(reward, None).with_cost(tracer.usage(), Default::default()));
                    if best.as_ref().is_none_or(|(_, best, ..)| reward > *best) {
                        best = Some((index, reward, prediction, tracer));
                    }
                    if reward > 0.0 {
                        break;
                    }
                }
                Err(error) if error.is_permanent() => return Err(error.with_rollouts(rollouts)),
                Err(error) => rollouts.push(rollout.with_error(error)),
            }
        }
        let Some((index, _, prediction, tracer)) = best else {
            return Err(Error::new(ErrorKind::Exhausted, "no rollout succeeded").with_rollouts(rollouts));
        };
        outer.append(&tracer.trace());
        let rollouts: Vec<_> = rollouts
            .into_iter()
            .map(|r| {
                let chosen = r.index() == index;
                r.with_chosen(chosen)
            })
            .collect();
        Ok(prediction
            .with_usage(costs.usage())
            .with_trace(tracer.trace())
            .with_rollouts(rollouts, Stop::Completed))
    }
}

impl<M: Module> Traverse for UntilPositive<M> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        walker.module(self);
        walker.repeated(self.n, "module", &self.module);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        walker.field("module", &mut self.module);
    }
}

#[tokio::test]
async fn a_wrapper_written_outside_sets_ids_and_temperatures_and_has_trace_and_report() {
    let lm = answers(["-3", "x", "5", "9"]);
    let best = UntilPositive::new(qa(&lm), 4, |_, p| p.answer.parse::<f64>()).call(ask()).await.unwrap();
    assert_eq!((ids(&lm), temperatures(&lm)), (vec![0, 1, 2], vec![Some(1.0); 3]));
    assert_eq!(best.answer, "5");
    assert_eq!(
        (rewards(best.rollouts()), chosen(best.rollouts())),
        (vec![Some(-3.0), None, Some(5.0)], vec![2])
    );
    assert_eq!((best.usage().calls, best.trace().steps().len()), (3, 1));
    assert_eq!(best.trace().steps()[0].predictor(), "module");
}

#[tokio::test]
async fn a_wrapper_written_outside_nests_with_karats_own_in_both_ways() {
    let lm = echo_id();
    let outside = UntilPositive::new(BestOfN::new(qa(&lm), 3, number), 2, |_, _| 0.0);
    assert_eq!(outside.call(ask()).await.unwrap().usage().calls, 6);
    assert_eq!(ids(&lm), [0, 1, 2, 3, 4, 5]);

    let lm = echo_id();
    let inside = BestOfN::new(UntilPositive::new(qa(&lm), 3, |_, _| 0.0), 2, number);
    let best = inside.call(ask()).await.unwrap();
    assert_eq!(ids(&lm), [0, 1, 2, 3, 4, 5]);
    assert_eq!((best.answer.as_str(), best.usage().calls), ("3", 6));
    assert_eq!(best.trace().steps()[0].predictor(), "module.module");
}

#[tokio::test]
async fn a_wrapper_written_outside_reports_failures_as_karats_own_does() {
    let lm = karat::ScriptedLm::new([server_error(), server_error()]);
    let error = UntilPositive::new(qa(&lm), 2, number).call(ask()).await.unwrap_err();
    assert!(error.is_exhausted() && error.rollouts()[1].error().unwrap().is_server());
    let lm = karat::ScriptedLm::new([reply("-1"), failure(ErrorKind::Auth)]);
    let error = UntilPositive::new(qa(&lm), 2, number).call(ask()).await.unwrap_err();
    assert!(error.is_auth());
}

#[tokio::test]
async fn a_wrapper_written_outside_leaves_the_users_module_alone_and_can_be_spawned() {
    let module = Predict::<Qa>::new().lm(&answers(["1"]).lm());
    let wrapper = UntilPositive::new(module.clone(), 1, number);
    let answer = tokio::spawn(async move { wrapper.call(ask()).await }).await.unwrap().unwrap();
    assert_eq!(answer.answer, "1");
    assert!(module.predictor().tracer().is_none() && module.predictor().run_temperature().is_none());
}
