//! The cache on disk: restarts, damaged files, bounds, permissions.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use karat::{
    Cache, Lm, Reply, ScriptedLm,
    lm::{CacheStats, Request},
};
use serde_json::json;

use crate::support::*;

/// An LM that numbers its answers, with this cache.
pub fn numbered(cache: &Cache) -> (ScriptedLm, Lm) {
    let count = AtomicUsize::new(0);
    let model =
        ScriptedLm::computed(move |_| Reply::text((count.fetch_add(1, Ordering::SeqCst) + 1).to_string()));
    let lm = model.lm().cache(cache.clone());
    (model, lm)
}

/// The answers of a numbering LM to these requests after a restart, and the cache's counts.
async fn after_restart(
    cache: Cache,
    requests: impl IntoIterator<Item = Request>,
) -> (Vec<String>, CacheStats) {
    let (_, lm) = numbered(&cache);
    let mut said = Vec::new();
    for request in requests {
        said.push(lm.complete(request).await.unwrap().completions.remove(0).text);
    }
    (said, cache.stats())
}

/// The paths of all files, in alphabetical order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A folder with the answer to one question, and the file that it is in.
async fn one_entry() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::disk(folder.path());
    ScriptedLm::new(["from disk"]).lm().cache(cache).complete(hi("hi")).await.unwrap();
    let file = files(folder.path()).remove(0);
    (folder, file)
}

#[tokio::test]
async fn answers_survive_a_restart_whatever_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![hi("hi"), hi("\u{0}\u{1f600}\"\\\r\n\u{2028}"), hi(&"long ".repeat(10_000))];
    for (name, value) in [
        ("top_p", json!(0.1)),
        ("top_p", json!(1.0 / 3.0)),
        ("max_tokens", json!(5)),
        ("nested", json!({"b": [1, null, {"z": -1}], "a": 1e300})),
    ] {
        let mut request = hi("hi");
        request.config.temperature = Some(0.1 + 0.2);
        request.config.rollout_id = Some(u64::MAX);
        request.config.stop = vec!["\n".into()];
        request.config.params.insert(name.into(), value);
        all.push(request);
    }
    let (first, stats) = after_restart(Cache::disk(folder.path()), all.clone()).await;
    assert_eq!((stats.misses, stats.stored), (7, 7));
    let (again, stats) = after_restart(Cache::disk(folder.path()), all.clone()).await;
    assert_eq!(again, first);
    assert_eq!((stats.misses, stats.hits, stats.disk_hits, stats.stored), (0, 7, 7, 0));
    // In memory by now.
    let cache = Cache::disk(folder.path());
    let (_, stats) = after_restart(cache.clone(), all.clone().into_iter().chain(all)).await;
    assert_eq!((stats.hits, stats.disk_hits, stats.entries), (14, 7, 7));
}

#[tokio::test]
async fn a_hit_from_disk_is_marked_and_is_the_whole_answer() {
    let folder = tempfile::tempdir().unwrap();
    let ask_with = async |model: ScriptedLm| {
        model.lm().cache(Cache::disk(folder.path())).complete(hi("hi")).await.unwrap()
    };
    let first = ask_with(ScriptedLm::new([Reply::text("one").and(Reply::text("two"))])).await;
    let again = ask_with(ScriptedLm::new([""; 0])).await;
    assert_eq!(again.completions, first.completions);
    assert_eq!((again.usage.is_cached(), again.usage.total_tokens()), (true, 0));
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_or_has_a_changed_byte_is_a_miss_and_is_replaced() {
    let (folder, file) = one_entry().await;
    let whole = fs::read(&file).unwrap();
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let changed = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    });
    for bytes in cut.chain(changed) {
        fs::write(&file, &bytes).unwrap();
        let (said, stats) = after_restart(Cache::disk(folder.path()), [hi("hi")]).await;
        assert_eq!((said[0].as_str(), stats.corrupt, stats.misses), ("1", 1, 1));
        assert_ne!(fs::read(&file).unwrap(), bytes, "replaced");
    }
    let (_, stats) = after_restart(Cache::disk(folder.path()), [hi("hi")]).await;
    assert_eq!((stats.corrupt, stats.disk_hits), (0, 1));
}

#[tokio::test]
async fn a_file_that_is_no_entry_of_this_version_is_a_miss() {
    let (folder, file) = one_entry().await;
    let whole = String::from_utf8(fs::read(&file).unwrap()).unwrap();
    for text in [
        whole.replace("karat cache 1", "karat cache 2"),
        whole.replace("karat cache 1", "other cache 1"),
        format!("{whole}\n"),
        format!("{whole}{whole}"),
        whole.split_once('\n').unwrap().1.to_owned(),
        "{}".into(),
        "\u{80}\u{4}".into(),
        "[".repeat(100_000),
    ] {
        fs::write(&file, &text).unwrap();
        let (said, stats) = after_restart(Cache::disk(folder.path()), [hi("hi")]).await;
        assert_eq!((said[0].as_str(), stats.corrupt), ("1", 1), "{}", &text[..2]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_are_not_waited_for_and_no_link_is_followed() {
    for what in ["folder", "pipe", "link", "dangling", "huge", "device"] {
        let (folder, file) = one_entry().await;
        let aside = folder.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        match what {
            "folder" => fs::create_dir(&file).unwrap(),
            "pipe" => assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success()),
            "link" => std::os::unix::fs::symlink(&aside, &file).unwrap(),
            "dangling" => std::os::unix::fs::symlink("nowhere", &file).unwrap(),
            "device" => std::os::unix::fs::symlink("/dev/zero", &file).unwrap(),
            _ => fs::File::create(&file).unwrap().set_len(1 << 40).unwrap(),
        }
        let before = fs::read(&aside).unwrap();
        let path = folder.path().to_owned();
        let asked = async move { after_restart(Cache::disk(path), [hi("hi")]).await };
        let (said, stats) = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
        assert_eq!((said[0].as_str(), stats.corrupt), ("1", 1), "{what}");
        assert_eq!(fs::read(&aside).unwrap(), before, "{what}: what a link points to is left alone");
        let (_, stats) = after_restart(Cache::disk(folder.path()), [hi("hi")]).await;
        assert_eq!(stats.disk_hits, u64::from(what != "folder"), "{what} is replaced");
    }
}

#[tokio::test]
async fn a_file_under_the_key_of_another_request_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = after_restart(Cache::disk(folder.path()), [hi("one"), hi("two")]).await;
    let found = files(folder.path());
    let (one, two) = (fs::read(&found[0]).unwrap(), fs::read(&found[1]).unwrap());
    fs::write(&found[0], two).unwrap();
    fs::write(&found[1], one).unwrap();
    let (again, stats) = after_restart(Cache::disk(folder.path()), [hi("one"), hi("two")]).await;
    assert_eq!((again, stats.misses, stats.disk_hits), (first, 2, 0));
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_folders_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/cache");
    after_restart(Cache::disk(&root), [hi("hi")]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = files(&root).remove(0);
    assert_eq!((mode(&file), mode(file.parent().unwrap()), mode(&root)), (0o600, 0o700, 0o700));
}

#[tokio::test]
async fn no_secret_is_in_a_file_and_requests_with_different_ones_are_different() {
    let folder = tempfile::tempdir().unwrap();
    let with = |secret: &str| {
        let mut request = hi("hi");
        request.config.params.insert("extra_headers".into(), json!({"x-key": secret}));
        request.config.params.insert("nested".into(), json!([{"api_key": secret, "kept": "kept"}]));
        request
    };
    let all = [with("sk-canary-1"), with("sk-canary-2")];
    let (first, _) = after_restart(Cache::disk(folder.path()), all.clone()).await;
    assert_eq!(first, ["1", "2"]);
    let (again, stats) = after_restart(Cache::disk(folder.path()), all).await;
    assert_eq!((again, stats.disk_hits), (first, 2));
    for file in files(folder.path()) {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("canary") && text.contains("kept") && text.contains("removed"), "{text}");
    }
}

#[tokio::test]
async fn the_disk_is_bounded_by_entries_and_the_oldest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "not the cache's").unwrap();
    let cache = || Cache::disk(folder.path()).disk_entries(20);
    let requests = |range: std::ops::Range<u32>| range.map(|index| hi(&index.to_string()));
    let (_, stats) = after_restart(cache(), requests(0..20)).await;
    assert_eq!((files(folder.path()).len(), stats.evicted), (21, 0));
    // An old entry, which is used once more and so is new again.
    for file in files(folder.path()) {
        fs::File::open(file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    after_restart(cache(), requests(3..4)).await;
    let (_, stats) = after_restart(cache(), requests(20..100)).await;
    assert!((18..=20).contains(&(files(folder.path()).len() - 1)) && stats.evicted >= 78, "{stats:?}");
    assert!(foreign.exists());
    let cleared = cache();
    cleared.clear().unwrap();
    assert_eq!(files(folder.path()), [foreign]);
    cleared.clear().unwrap();
    Cache::disk(folder.path().join("never made")).clear().unwrap();
}

#[tokio::test]
async fn entries_in_use_on_disk_outlive_unused_ones() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Cache::disk(folder.path()).disk_entries(10);
    after_restart(cache(), (0..10).map(|index| hi(&index.to_string()))).await;
    for file in files(folder.path()) {
        fs::File::open(file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    after_restart(cache(), [hi("7")]).await;
    after_restart(cache(), [hi("new")]).await;
    let (_, stats) = after_restart(cache(), [hi("7"), hi("new")]).await;
    assert_eq!(stats.disk_hits, 2);
    assert_eq!(files(folder.path()).len(), 9);
}

#[tokio::test]
async fn the_disk_is_bounded_by_bytes_and_no_entry_beyond_the_bound_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Cache::disk(folder.path()).disk_bytes(50_000);
    let size = || files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum::<u64>();
    let (_, lm) = numbered(&cache());
    for index in 0..100 {
        lm.complete(hi(&index.to_string().repeat(2_000))).await.unwrap();
        assert!(size() <= 50_000, "{}", size());
    }
    assert!(size() > 30_000);
    let before = files(folder.path());
    after_restart(cache(), [hi(&"x".repeat(60_000))]).await;
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn unfinished_files_of_killed_processes_are_removed_in_time() {
    let (folder, file) = one_entry().await;
    let beside = |name: &str| file.parent().unwrap().join(name);
    for name in [".writing-1-1", ".writing-1-2"] {
        fs::write(beside(name), "half").unwrap();
    }
    let old = SystemTime::now() - Duration::from_secs(7_200);
    fs::File::options().write(true).open(beside(".writing-1-1")).unwrap().set_modified(old).unwrap();
    after_restart(Cache::disk(folder.path()), [hi("new")]).await;
    assert!(!beside(".writing-1-1").exists() && beside(".writing-1-2").exists());
}

#[tokio::test]
async fn a_cache_that_is_not_used_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    let lm = ScriptedLm::new([server_error()]).lm().cache(Cache::disk(&root));
    lm.complete(hi("hi")).await.unwrap_err();
    assert!(!root.exists());
}

#[tokio::test]
async fn a_missing_entry_is_a_miss_and_a_file_in_place_of_a_folder_is_damage() {
    let (folder, file) = one_entry().await;
    let (_, stats) = after_restart(Cache::disk(folder.path()), [hi("another")]).await;
    assert_eq!((stats.misses, stats.corrupt), (1, 0));
    let part = file.parent().unwrap();
    fs::remove_dir_all(part).unwrap();
    fs::write(part, "a file").unwrap();
    let (_, stats) = after_restart(Cache::disk(folder.path()), [hi("hi")]).await;
    assert_eq!((stats.misses, stats.corrupt), (1, 1));
}

#[tokio::test]
async fn an_unreadable_folder_is_warned_of_at_the_first_lookup() {
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let folder = tempfile::tempdir().unwrap();
    let (said, stats) =
        after_restart(Cache::disk(folder.path().join("x".repeat(300))), [hi("a"), hi("b")]).await;
    assert_eq!((said.len(), stats.corrupt, stats.misses), (2, 0, 2));
    let warned = warnings.texts();
    assert!(warned.len() == 1 && warned[0].contains("cannot be read"), "{warned:?}");
}

#[tokio::test]
async fn an_entry_that_fills_the_disks_bound_exactly_is_written() {
    let (_folder, file) = one_entry().await;
    let size = file.metadata().unwrap().len();
    for (bound, written) in [(size, 1), (size - 1, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::disk(folder.path()).disk_bytes(bound);
        ScriptedLm::new(["from disk"]).lm().cache(cache).complete(hi("hi")).await.unwrap();
        assert_eq!(files(folder.path()).len(), written);
    }
}

#[test]
fn the_debug_text_of_a_cache_shows_its_folder_and_counts() {
    let text = format!("{:?}", Cache::disk("answers"));
    assert!(text.contains("answers") && text.contains("hits: 0"), "{text}");
}
