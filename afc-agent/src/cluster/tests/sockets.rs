//! The task on real sockets: three nodes on loopback addresses.

use std::{net::Ipv4Addr, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::cluster::{
    BindError, Change, ClusterHandle, ClusterInbox, ClusterTask, Command, CommandError, Counter, ListsDigest,
    Setup,
};

const LIMIT: Duration = Duration::from_secs(10);

fn setup(id: u16, port: u16) -> Setup {
    let address = |id: u16| Ipv4Addr::new(127, 0, 77, id as u8);
    let peers = (1..=3).filter(|peer| *peer != id).map(|peer| (NodeId(peer), address(peer)));
    Setup { node: NodeId(id), address: address(id), port, cluster: 1, incarnation: 1, peers: peers.collect() }
}

/// A port that is free on all three addresses: another test run may go on beside this one.
fn bind_all() -> Vec<(ClusterTask, ClusterHandle, ClusterInbox)> {
    let mut random = fastrand::Rng::new();
    for _ in 0..100 {
        let port = random.u16(20_000..30_000);
        let bound: Result<Vec<_>, BindError> =
            (1..=3).map(|id| ClusterTask::bind(&setup(id, port), &keys(&[OLD_KEY]))).collect();
        if let Ok(bound) = bound {
            return bound;
        }
    }
    panic!("no port is free");
}

async fn wait_for_state(inbox: &mut ClusterInbox, node: NodeId, capacity: u32) {
    let found = timeout(LIMIT, async {
        while let Some(change) = inbox.changes.recv().await {
            if matches!(&change, Change::Record { record, .. }
                if record.node == node && record.state.capacity == capacity)
            {
                return;
            }
        }
    });
    found.await.expect("the record came in time");
}

#[tokio::test]
async fn three_tasks_find_each_other_share_states_and_carry_commands() {
    let (mut handles, mut inboxes) = (Vec::new(), Vec::new());
    let mut running = tokio::task::JoinSet::new();
    for (task, handle, inbox) in bind_all() {
        running.spawn(task.run());
        handles.push(handle);
        inboxes.push(inbox);
    }
    for (handle, number) in handles.iter().zip(1..) {
        handle.set_state(state(number));
        handle.set_lists_digest(ListsDigest { roster: 7, inputs: 1, outputs: 2 });
    }
    for inbox in &mut inboxes {
        // One record after the other: those in between are taken too.
        let mut missing: Vec<_> = (1..=3).collect();
        while !missing.is_empty() {
            let change = timeout(LIMIT, inbox.changes.recv()).await.expect("in time").expect("running");
            if let Change::Record { record, .. } = change {
                missing.retain(|id| record.node != NodeId(*id) || record.state.capacity != u32::from(*id));
            }
        }
    }
    handles[0].set_state(state(40));
    wait_for_state(&mut inboxes[1], NodeId(1), 40).await;
    wait_for_state(&mut inboxes[2], NodeId(1), 40).await;
    let mut snapshots = handles[0].snapshots();
    let acknowledged = snapshots.wait_for(|snapshot| {
        let change = snapshot.discovery.last_change.as_ref();
        change.is_some_and(|change| (change.told, change.acknowledged) == (2, 2))
    });
    let snapshot = timeout(LIMIT, acknowledged).await.expect("in time").expect("running").clone();
    assert_eq!(snapshot.records.len(), 3);
    assert!(handles[0].counters().get(Counter::Accepted) > 0);

    let command = Command::Drain { node: NodeId(2), drained: true };
    let asked = handles[0].command(NodeId(2), command.clone(), LIMIT);
    let answered = async {
        let incoming = inboxes[1].commands.recv().await.expect("running");
        assert_eq!((incoming.from, &incoming.command), (NodeId(1), &command));
        incoming.answer(Err("it is the last one".to_owned())).await;
    };
    let (outcome, ()) = tokio::join!(asked, answered);
    assert_eq!(outcome, Err(CommandError::Refused("it is the last one".to_owned())));

    // Without handles the tasks end.
    drop((handles, snapshots, inboxes));
    while let Some(ended) = timeout(LIMIT, running.join_next()).await.expect("ended in time") {
        ended.expect("no panic");
    }
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_the_fix() {
    let bound = bind_all();
    let port = bound[0].0.port();
    let error = ClusterTask::bind(&setup(1, port), &keys(&[OLD_KEY])).err().expect("in use").to_string();
    assert!(error.contains("stop that one, or write another [cluster] port"), "{error}");
}
