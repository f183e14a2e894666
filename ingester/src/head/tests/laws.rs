//! Apply against a naive model, over any interleaving of writes, late samples, retries, retention,
//! checkpoints, half checkpoints and crashes.

use std::collections::BTreeSet;

use cluster::RejectReason;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::head::outcome::Outcome;
use crate::head::sealed::window_start_ms;

const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Clone)]
enum Step {
    /// Samples a minute apart; the value follows from the timestamp, so overlaps are retries.
    Run {
        series: usize,
        minute: i64,
        samples: i64,
        known: bool,
    },
    /// One sample with a value of its own.
    One {
        series: usize,
        minute: i64,
        value: u64,
        known: bool,
    },
    Retention {
        minute: i64,
    },
    Checkpoint,
    /// A checkpoint whose flush fails.
    FailedCheckpoint,
    /// The store flushes by itself.
    Flush,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let (series, minute) = (0_usize..4, 0_i64..900);
    prop_oneof![
        6 => (series.clone(), minute.clone(), 1_i64..150, any::<bool>()).prop_map(
            |(series, minute, samples, known)| Step::Run { series, minute, samples, known }
        ),
        4 => (series, minute.clone(), 0_u64..3, any::<bool>()).prop_map(
            |(series, minute, value, known)| Step::One { series, minute, value, known }
        ),
        1 => minute.prop_map(|minute| Step::Retention { minute }),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::FailedCheckpoint),
        1 => Just(Step::Flush),
        2 => Just(Step::Crash),
    ]
}

/// The rules, without anything that makes them fast.
#[derive(Debug, Default)]
struct Naive {
    samples: Content,
    newest: BTreeMap<Labels, i64>,
    /// Refs that live.
    refs: BTreeSet<SeriesRef>,
    dropped_before_ms: Option<i64>,
}

impl Naive {
    fn write(&mut self, (labels, t, bits): &Write) -> Outcome {
        let newest = self.newest.get(labels).copied().unwrap_or(i64::MIN);
        let stored = self.samples.get(labels).and_then(|samples| samples.get(t)).copied();
        let is_dropped = self.dropped_before_ms.is_some_and(|before_ms| *t < before_ms);
        if is_dropped || newest > i64::MIN && *t < newest - 2 * 3_600_000 {
            return Outcome::Rejected(RejectReason::TooOld);
        }
        match stored {
            Some(same) if same == *bits => Outcome::Duplicate,
            Some(_) => Outcome::Rejected(RejectReason::DuplicateTimestamp),
            None => {
                self.samples.entry(labels.clone()).or_default().insert(*t, *bits);
                self.newest.insert(labels.clone(), newest.max(*t));
                Outcome::Accepted
            }
        }
    }

    /// Returns the series that are gone.
    fn drop_before(&mut self, before_ms: i64) {
        let before_ms = window_start_ms(before_ms).max(self.dropped_before_ms.unwrap_or(i64::MIN));
        self.dropped_before_ms = Some(before_ms);
        self.samples.values_mut().for_each(|samples| *samples = samples.split_off(&before_ms));
        self.samples.retain(|_, samples| !samples.is_empty());
        self.newest.retain(|_, newest| *newest >= before_ms);
    }
}

fn series(i: usize) -> Labels {
    labels(&[("__name__", "m"), ("i", &i.to_string()), ("run", "a")])
}

/// Writes to both and compares what they say.
fn write(rig: &mut Rig, naive: &mut Naive, samples: &[Write], known: bool) {
    let known_ref = known.then(|| rig.refs.get(&samples[0].0).copied()).flatten();
    let applied = if known { rig.write_known(samples) } else { rig.write(samples) };
    let is_gone = known_ref.is_some_and(|series| !naive.refs.contains(&series));
    if is_gone {
        let refused = vec![(RejectReason::UnknownRef, u32::try_from(samples.len()).unwrap())];
        assert_eq!(applied.rejected, refused);
        rig.refs.remove(&samples[0].0);
        return;
    }
    naive.refs.extend(applied.new_refs.iter().copied());
    let outcomes: Vec<Outcome> = samples.iter().map(|sample| naive.write(sample)).collect();
    let count = |wanted| {
        let same = outcomes.iter().filter(|outcome| **outcome == wanted);
        u32::try_from(same.count()).unwrap()
    };
    assert_eq!(applied.accepted, count(Outcome::Accepted));
    assert_eq!(applied.duplicates, count(Outcome::Duplicate));
    for reason in [RejectReason::TooOld, RejectReason::DuplicateTimestamp] {
        let rejected = applied.rejected.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n);
        assert_eq!(rejected, count(Outcome::Rejected(reason)), "{reason:?}");
    }
}

fn run(rig: &mut Rig, naive: &mut Naive, step: &Step) {
    match step {
        Step::Run { series: i, minute, samples, known } => {
            let sample = |minute: i64| {
                (series(*i), BASE_MS + minute * MINUTE_MS, minute.cast_unsigned() * 7)
            };
            let samples: Vec<Write> = (*minute..*minute + samples).map(sample).collect();
            write(rig, naive, &samples, *known);
        }
        Step::One { series: i, minute, value, known } => {
            let sample = (series(*i), BASE_MS + minute * MINUTE_MS, *value);
            write(rig, naive, &[sample], *known);
        }
        Step::Retention { minute } => {
            let before_ms = BASE_MS + minute * MINUTE_MS;
            rig.apply(encode_retention(before_ms));
            naive.drop_before(before_ms);
            let state = rig.head.read();
            naive.refs.retain(|series| state.pages.find(series.0).is_some());
        }
        Step::Checkpoint => rig.checkpoint(),
        Step::FailedCheckpoint => {
            let mut batch = rig.store.batch();
            rig.head.checkpoint(&mut batch);
        }
        Step::Flush => rig.store.flush().unwrap(),
        Step::Crash => {
            let before = rig.head.digest();
            rig.crash();
            assert_eq!(rig.head.digest(), before, "a replay arrives at the same state");
        }
    }
}

proptest! {
    #[test]
    fn a_head_does_what_the_rules_say(steps in prop::collection::vec(step(), 1..40)) {
        let (mut rig, mut naive) = (Rig::new(), Naive::default());
        for step in &steps {
            run(&mut rig, &mut naive, step);
            prop_assert_eq!(&rig.read(&[], TimeRange::ALL), &naive.samples);
        }
        prop_assert_eq!(rig.head.stats().series, naive.refs.len() as u64);
    }

    #[test]
    fn a_range_is_a_cut_of_the_whole(
        steps in prop::collection::vec(step(), 1..30),
        start in 0_i64..900,
        minutes in 0_i64..300,
    ) {
        let (mut rig, mut naive) = (Rig::new(), Naive::default());
        steps.iter().for_each(|step| run(&mut rig, &mut naive, step));
        let start_ms = BASE_MS + start * MINUTE_MS;
        let range = TimeRange::new(start_ms, start_ms + minutes * MINUTE_MS);
        let mut expected = naive.samples;
        expected.values_mut().for_each(|samples| samples.retain(|t, _| range.contains(*t)));
        expected.retain(|_, samples| !samples.is_empty());
        prop_assert_eq!(rig.read(&[Matcher::equal("run", "a")], range), expected);
    }

    #[test]
    fn a_scan_sees_the_instant_at_which_it_began(
        before in prop::collection::vec(step(), 1..20),
        after in prop::collection::vec(step(), 1..20),
    ) {
        let (mut rig, mut naive) = (Rig::new(), Naive::default());
        before.iter().for_each(|step| run(&mut rig, &mut naive, step));
        let (head, expected) = (Arc::clone(&rig.head), naive.samples.clone());
        let (tenant, source) = (TenantId::anonymous(), HeadSource(&head));
        let selection = Selection { tenant: &tenant, matchers: &[], range: TimeRange::ALL };
        let scan = source.select(&selection).unwrap();
        let moves = |step: &&Step| !matches!(step, Step::Crash | Step::Retention { .. });
        after.iter().filter(moves).for_each(|step| run(&mut rig, &mut naive, step));
        prop_assert_eq!(drain(scan), expected);
    }
}
