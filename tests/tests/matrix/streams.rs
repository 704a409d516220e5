//! Row 10: slow readers of a stream.

use karat::{Module, stream::StreamEvent};
use tokio::time::{Instant, sleep};

use super::{
    cell::{Shown, check, nothing_stays, plain_server, subject},
    fault::{PARIS, good, seconds},
    model::Schedule,
    subject::{QaInput, QaOutput, Seen, Surface, ask},
};

/// Longer than every timeout.
const PAUSE: u64 = 5_000;

/// The consumer waits before it takes the first event, one after the first ones, or every one.
pub fn slow_consumer(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    karat_tests::clock::run(async move {
        let server = plain_server(good);
        let subject = subject(surface, &server);
        let start = Instant::now();
        let (seen, pauses) = match surface {
            Surface::BestOfN => slowly(&subject.best_of_n(), schedule).await?,
            Surface::Refine => slowly(&subject.refine(), schedule).await?,
            _ => slowly(&subject.qa, schedule).await?,
        };
        let time = start.elapsed();
        check(time == seconds(PAUSE * pauses), || format!("{time:?} with {pauses} pauses"))?;
        check(server.count() == surface.answers(), || format!("{} requests", server.count()))?;
        nothing_stays(&subject, &server).await?;
        Ok(Shown { outcome: seen.words(), requests: server.count() })
    })
}

async fn slowly<M: Module<Input = QaInput, Output = QaOutput>>(
    module: &M,
    schedule: Schedule,
) -> Result<(Seen, u64), String> {
    let mut stream = module.stream(ask("Capital of France?"));
    let (mut pauses, mut events) = (0, 0);
    loop {
        let event = stream.next().await.ok_or("the stream ended")?;
        let event = event.map_err(|error| error.to_string())?;
        if schedule.is_faulty(events, 2) {
            sleep(seconds(PAUSE)).await;
            pauses += 1;
        }
        events += 1;
        if let StreamEvent::Done(prediction) = event {
            check(prediction.answer == PARIS, || prediction.answer.clone())?;
            return Ok((Seen { predictions: vec![prediction], ..Seen::default() }, pauses));
        }
    }
}
