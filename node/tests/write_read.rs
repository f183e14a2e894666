//! What is written is read, before and after a stop; what cannot be run is refused with a reason.

#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/varve.rs"]
mod varve;

use std::sync::atomic::AtomicBool;

use loadtest::query::milliseconds;
use varve::Varve;

/// Samples of two hosts over a minute, awkward values among them.
#[test]
fn a_stop_and_a_start_change_nothing() {
    let folder = tempfile::tempdir().expect("there is room");
    let ledger = folder.path().join("ledger");
    let mut node = Varve::new(folder.path());
    node.start();
    let report = load::blast(&node.url(), 2, 60, &ledger).run(&AtomicBool::new(false));
    let report = report.expect("the node takes the load");
    assert_eq!((report.samples_acked, report.unacked.len()), (120_000, 0));
    let before = load::assert_all_there(&node.url(), &ledger);

    let exit = node.stop();
    assert!(exit.log.contains("msg=stopped"), "{}", exit.log);
    node.start();
    let after = load::assert_all_there(&node.url(), &ledger);
    assert_eq!((before.acked, before.found), (after.acked, after.found));
}

#[test]
fn an_ack_means_that_the_next_query_sees_the_sample() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut node = Varve::new(folder.path());
    node.start();
    let client = node.client();
    for tick in 0..20 {
        let mut blast = load::blast(&node.url(), 1, 1, &folder.path().join(format!("{tick}")));
        blast.load.cadence.start_ms += i64::from(tick) * 1000;
        blast.run(&AtomicBool::new(false)).expect("the node takes the load");
        let at_ms = blast.load.cadence.start_ms;
        let seen =
            client.vector("count by (run) ({run=\"a\",__name__=~\"node_metric_.+\"})", at_ms);
        let seen = seen.expect("the node answers queries");
        assert_eq!(seen[0].value.1, "700");
        assert_eq!(milliseconds(seen[0].value.0), at_ms);
        let newest = format!("node_metric_0001[{}ms]", 500);
        let matrix = client.matrix(&newest, at_ms).expect("the node answers queries");
        assert_eq!(matrix.len(), 1, "the sample of tick {tick} is there");
    }
}

#[test]
fn a_second_node_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let elsewhere = tempfile::tempdir().expect("there is room");
    let mut first = Varve::new(folder.path());
    first.start();
    let exit = Varve::new(elsewhere.path()).on_data_of(&first).start_in_vain(&[]);
    assert_eq!(exit.status.code(), Some(1), "{}", exit.log);
    assert!(exit.log.contains(&first.data.display().to_string()), "{}", exit.log);
    assert!(exit.log.contains("in use") || exit.log.contains("another"), "{}", exit.log);
    first.stop();
}

#[test]
fn a_target_that_needs_other_nodes_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    for target in ["gateway", "ingester,querier", "nonsense"] {
        let exit = Varve::new(folder.path()).start_in_vain(&[&format!("--target={target}")]);
        assert_eq!(exit.status.code(), Some(2), "{}", exit.log);
        assert!(exit.log.contains(&format!("--target={target}")), "{}", exit.log);
        assert!(exit.log.contains("cluster"), "{}", exit.log);
    }
}

#[test]
fn a_setting_out_of_its_range_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("there is room");
    for flag in ["gateway.request-bytes-max", "query.max-samples", "ingester.write-timeout-ms"] {
        let mut node = Varve::new(folder.path());
        let exit = node.start_in_vain(&[&format!("--{flag}=0")]);
        assert_eq!(exit.status.code(), Some(1), "{}", exit.log);
        assert!(exit.log.contains(flag), "{}", exit.log);
        assert!(!node.data.exists(), "{flag} is checked before the folder is made");
    }
}
