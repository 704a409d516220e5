//! Rows 33 to 36: the cache, and equal calls at once.

use std::{
    collections::BTreeSet,
    fs,
    future::{Future, poll_fn},
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::future::join_all;
use karat::{Cache, ErrorKind};
use karat_tests::{
    Act, Received, Reply, Server,
    clock::{run, settle},
};

use super::{
    cell::{Shown, check, no_more_than, nothing_stays, plain_server, subject},
    fault::{PARIS, good, millis, said},
    model::Schedule,
    rows::Row,
    subject::{Seen, Subject, Surface},
};

const QUESTION: &str = "Capital of France?";

pub fn rows() -> Vec<Row> {
    let no_cache = "it has no cache: that is the column `cached`";
    vec![
        // No two requests with one SHA-256 are known; the unit tests of the cache have a poorer hash, in memory too.
        Row::new(33, "two requests with one cache key")
            .own("on disk", one_key)
            .dash([Surface::Predict], no_cache),
        Row::new(34, "a cache file changed, cut, of another version, not ours")
            .own("changed", |surface, schedule| damaged(surface, schedule, changed))
            .own("cut", |surface, schedule| damaged(surface, schedule, cut))
            .own("empty", |surface, schedule| damaged(surface, schedule, |file| fs::write(file, "")))
            .own("of another version", |surface, schedule| damaged(surface, schedule, other_version))
            .own("not ours", |surface, schedule| {
                damaged(surface, schedule, |file| fs::write(file, "{\"a\": 1}"))
            })
            .dash([Surface::Predict], no_cache),
        Row::new(35, "equal calls at once; the leader fails or is cancelled")
            .own("fails", |surface, schedule| at_once(surface, schedule, Leader::Fails))
            .own("is cancelled", |surface, schedule| at_once(surface, schedule, Leader::IsCancelled))
            .dash([Surface::Predict], no_cache),
        Row::new(36, "the rollouts of one prompt, with a cache")
            .own("rollouts", rollouts)
            .dash([Surface::Predict, Surface::Batch, Surface::Stream, Surface::Cached], "it has no rollouts"),
    ]
}

fn changed(file: &Path) -> io::Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes)
}

fn cut(file: &Path) -> io::Result<()> {
    let bytes = fs::read(file)?;
    fs::write(file, &bytes[..bytes.len() / 2])
}

fn other_version(file: &Path) -> io::Result<()> {
    let mut bytes = fs::read(file)?;
    // The version is in the first bytes.
    bytes.iter_mut().take(16).for_each(|byte| *byte = byte.wrapping_add(1));
    fs::write(file, bytes)
}

/// The entries in a folder, in a fixed order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut all: Vec<_> =
        list(folder).into_iter().filter(|path| path.is_dir()).flat_map(|path| list(&path)).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "entry"));
    all.sort();
    all
}

/// A process finds one damaged entry at its first hit, one after good hits, or all of them damaged.
fn damaged(
    surface: Surface,
    schedule: Schedule,
    damage: impl Fn(&Path) -> io::Result<()>,
) -> Result<Shown, String> {
    run(async move {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = plain_server(good);
        // A new cache each time, like a new process: nothing is in memory.
        let anew = || subject(surface, &server).cached(Cache::disk(folder.path()));
        let seen = anew().call(QUESTION).await;
        check(seen.error.is_none(), || format!("{seen:?}"))?;
        let files = entries(folder.path());
        check(files.len() == surface.answers(), || format!("{files:?}"))?;
        if schedule == Schedule::Later {
            let seen = anew().call(QUESTION).await;
            let is_hit = seen.error.is_none() && server.count() == surface.answers();
            check(is_hit, || format!("no hits: {seen:?}"))?;
        }
        let count = if schedule == Schedule::Every { files.len() } else { 1 };
        for file in files.iter().take(count) {
            damage(file).map_err(|error| error.to_string())?;
        }
        let (subject, before) = (anew(), server.count());
        let seen = subject.call(QUESTION).await;
        let requests = server.count() - before;
        let is_miss = seen.error.is_none() && requests == count;
        check(is_miss, || format!("{requests} requests, not {count}: {seen:?}"))?;
        let stats = subject.cache.as_ref().map(Cache::stats).unwrap_or_default();
        check(stats.corrupt == count as u64, || format!("{stats:?}"))?;
        // Damaged entries were replaced.
        let again = anew().call(QUESTION).await;
        check(again.error.is_none() && server.count() == before + count, || format!("{again:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(Shown { outcome: seen.words(), requests })
    })
}

/// Entries in the place of another request's, as if both had one key.
fn one_key(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = plain_server(|request| {
            let name = if request.body.to_string().contains("Who?") { "Mallory" } else { PARIS };
            said(request, &format!("[[ ## answer ## ]]\n{name}"))
        });
        let anew = || subject(surface, &server).cached(Cache::disk(folder.path()));
        let seen = anew().call("Who?").await;
        check(seen.error.is_none(), || format!("{seen:?}"))?;
        let others = entries(folder.path());
        let seen = anew().call(QUESTION).await;
        check(seen.error.is_none(), || format!("{seen:?}"))?;
        let mut files = entries(folder.path());
        files.retain(|file| !others.contains(file));
        if schedule == Schedule::Later {
            let before = server.count();
            let seen = anew().call(QUESTION).await;
            check(seen.error.is_none() && server.count() == before, || format!("no hits: {seen:?}"))?;
        }
        let count = if schedule == Schedule::Every { files.len() } else { 1 };
        for (file, other) in files.iter().zip(&others).take(count) {
            fs::copy(other, file).map_err(|error| error.to_string())?;
        }
        let (subject, before) = (anew(), server.count());
        let seen = subject.call(QUESTION).await;
        let requests = server.count() - before;
        let is_miss = seen.error.is_none() && requests == count;
        check(is_miss, || format!("{requests} requests, not {count}: {seen:?}"))?;
        let is_own = seen.predictions.iter().all(|prediction| prediction.answer == PARIS);
        check(is_own, || format!("{seen:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(Shown { outcome: seen.words(), requests })
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Leader {
    Fails,
    IsCancelled,
}

/// The number of equal calls. A call of a wrapper makes a few of them.
fn crowd(surface: Surface) -> usize {
    if surface.answers() > 1 { 50 } else { 1_000 }
}

fn at_once(surface: Surface, schedule: Schedule, leader: Leader) -> Result<Shown, String> {
    run(async move {
        // After good calls: an answer of a batch or of the rollouts, or another question's.
        let first = if schedule == Schedule::Later { 1 } else { 0 };
        let server = plain_server(move |request| reply(request, schedule, leader, first));
        let subject = subject(surface, &server).cached(Cache::memory());
        let mut before = 0;
        if schedule == Schedule::Later && surface.answers() == 1 {
            let warm = subject.call("warm").await;
            check(warm.error.is_none(), || format!("{warm:?}"))?;
            before = 1;
        }
        let lost = match (leader, schedule) {
            (Leader::Fails, _) => 0,
            (_, Schedule::Every) => 3,
            _ => 1,
        };
        let good_within = if surface.answers() > 1 { first } else { 0 };
        let seen = all_after(&subject, &server, lost, good_within).await?;
        let requests = server.count() - before;
        let expected = match (leader, schedule) {
            // Two leaders with four attempts each, then all that wait get the error. The first of them is by then at its next answer,
            // which it fails to get alone.
            (Leader::Fails, Schedule::Every) => (0..surface.answers()).map(|answer| 8 + 4 * answer).sum(),
            (Leader::Fails, _) => surface.answers() + 1,
            (Leader::IsCancelled, _) => surface.answers() + lost,
        };
        check(requests == expected, || format!("{requests} requests, not {expected}"))?;
        let fails = leader == Leader::Fails && schedule == Schedule::Every;
        let kind = match (fails, surface.has_rollouts()) {
            (false, _) => None,
            (true, true) => Some(ErrorKind::Exhausted),
            (true, false) => Some(ErrorKind::Server),
        };
        let is_right = |seen: &Seen| match surface {
            Surface::Batch => seen.units.iter().all(|unit| *unit == kind),
            _ => seen.error == kind,
        };
        check(seen.iter().all(is_right), || format!("{:?}", seen.iter().find(|seen| !is_right(seen))))?;
        let shown = Shown { outcome: seen[0].words(), requests };
        drop(seen);
        // Leaders of two answers at a time.
        no_more_than(2, &subject, &server).await?;
        Ok(shown)
    })
}

fn reply(request: &Received, schedule: Schedule, leader: Leader, first: usize) -> Reply {
    match leader {
        Leader::Fails if schedule.is_faulty(request.index, first) => Reply::status(503),
        // Long enough for all to join, and for one to leave.
        _ => Reply { acts: [vec![Act::Pause(millis(50))], good(request).acts].concat(), gone_for: None },
    }
}

/// Drops leaders in the middle of a request, the first one after some answers, while a crowd waits; returns the crowd's outcomes.
async fn all_after(
    subject: &Subject,
    server: &Server,
    lost: usize,
    good: usize,
) -> Result<Vec<Seen>, String> {
    let calls = (0..crowd(subject.surface)).map(|_| subject.call(QUESTION));
    let mut crowd = join_all(calls);
    for leader in 0..lost {
        let wanted = server.count() + 1 + if leader == 0 { good } else { 0 };
        let mut call = subject.call(QUESTION);
        while server.count() < wanted {
            let poll = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
            check(poll.is_pending(), || "the leader was too fast".into())?;
            settle().await;
        }
        if leader == 0 {
            let poll = poll_fn(|context| Poll::Ready(pin!(&mut crowd).poll(context))).await;
            check(poll.is_pending(), || "the crowd did not wait".into())?;
        }
        drop(call);
    }
    Ok(crowd.await)
}

/// Each rollout has an entry of its own, and the same call finds them all again.
fn rollouts(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let first = if schedule == Schedule::Later { 1 } else { 0 };
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let server = plain_server(move |request| {
            let is_faulty = schedule.is_faulty(request.index, first);
            match is_faulty && !over.load(Ordering::Relaxed) {
                true => Reply::status(503),
                false => Reply::text(&format!("[[ ## answer ## ]]\n{}", request.index)),
            }
        });
        let subject = subject(surface, &server).cached(Cache::memory());
        let seen = subject.call(QUESTION).await;
        let requests = server.count();
        let expected = if schedule == Schedule::Every { 12 } else { 4 };
        check(requests == expected, || format!("{requests} requests, not {expected}: {seen:?}"))?;
        is_over.store(true, Ordering::Relaxed);
        // No failure is kept, and no answered request is sent again.
        let kept = subject.call(QUESTION).await;
        let asked = if schedule == Schedule::Every { 3 } else { 0 };
        check(server.count() == requests + asked, || format!("{} more", server.count() - requests))?;
        let again = subject.call(QUESTION).await;
        check(server.count() == requests + asked, || "it was asked a third time".into())?;
        let outputs = |seen: &Seen| -> Vec<String> {
            let rollouts = seen.predictions.iter().flat_map(|prediction| prediction.rollouts());
            rollouts.filter_map(|rollout| rollout.output().map(str::to_owned)).collect()
        };
        let (one, other) = (outputs(&kept), outputs(&again));
        let different = one.iter().collect::<BTreeSet<_>>().len();
        check(one == other && different == 3, || format!("{one:?} {other:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(Shown { outcome: seen.words(), requests })
    })
}
