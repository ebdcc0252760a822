//! What an agent costs while nothing happens: time on a processor, memory, packets; against the number of nodes, in the lab and
//! in the engine's simulation. keepalived's daemons beside it, at five nodes.

use std::{fs, thread, time::Duration};

use afc_lab::{Lab, LabSpec, clock::now_ns, ip, spec::Timing, wires::SWITCH_MACHINE};
use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    arguments::SystemName,
    circumstances::Circumstances,
    row::{Row, Subject},
    run::{Form, Plan, Run},
    system::{
        Kind, System, short_timing,
        site::{self, Purpose},
    },
};

/// Sizes of the clusters.
const NODES: [u8; 6] = [2, 3, 4, 5, 6, 7];
/// The size that is compared with keepalived.
const COMPARED: u8 = 5;
/// The timeout that makes the interval a millisecond.
const FAST: Duration = Duration::from_millis(5);
/// Before it is measured.
const CALM: Duration = Duration::from_secs(2);
/// About what a lab takes.
const BUILD: Duration = Duration::from_secs(8);

/// What one node took in a window of time.
struct Cost {
    processor_percent: f64,
    resident_mib: f64,
    packets: f64,
}

/// What had been used at an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    processor_ns: u64,
    packets: u64,
}

/// Three rows a size and interval; and the simulation's.
///
/// # Errors
/// When a lab can't be built.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let afc = |timing: Timing| System { name: SystemName::Afc, kind: Kind::Afc(timing) };
    let fast = afc(short_timing(FAST));
    let keepalived = System::new(SystemName::Keepalived, FAST);
    let mut rows = Vec::new();
    for nodes in NODES {
        for system in [afc(Timing::default()), fast, keepalived] {
            if nodes == COMPARED || matches!(system.kind, Kind::Afc(_)) {
                rows.extend(measure_one(run, system, nodes)?);
            }
        }
    }
    rows.extend(simulated(run)?);
    Ok(rows)
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    (window(plan) + CALM + BUILD) * (2 * NODES.len() as u32 + 1)
}

fn window(plan: &Plan) -> Duration {
    match plan.form {
        Form::Full => Duration::from_secs(30),
        Form::Quick => Duration::from_secs(5),
    }
}

fn measure_one(run: &Run, system: System, nodes: u8) -> Result<Vec<Row>> {
    let mut spec = LabSpec::of_size(nodes);
    if let Kind::Afc(timing) = system.kind {
        spec = spec.with_timing(timing);
    }
    let lab = Lab::new(spec)?;
    let peers = site::start_system(&lab, system, Purpose::Failures)?;
    let members = lab.spec().members();
    let pids: Vec<Vec<u32>> = members
        .iter()
        .map(|node| match &peers {
            Some(peers) => peers.pids(node),
            None => lab.agent_pid(node).into_iter().collect(),
        })
        .collect();
    thread::sleep(CALM);
    let began_ns = now_ns();
    let before = used(&lab, &members, &pids)?;
    thread::sleep(window(&run.plan));
    let after = used(&lab, &members, &pids)?;
    let seconds = (now_ns() - began_ns) as f64 / 1e9;
    let circumstances = run.circumstances_since(began_ns);
    let cost = |node: usize| {
        let (before, after) = (before[node], after[node]);
        Ok(Cost {
            processor_percent: (after.processor_ns - before.processor_ns) as f64 / seconds / 1e7,
            resident_mib: resident_mib(&pids[node])?,
            packets: after.packets.saturating_sub(before.packets) as f64 / seconds,
        })
    };
    let costs = (0..members.len()).map(cost).collect::<Result<Vec<_>>>()?;
    run.say(&format!("{} nodes, {} at {:?}", nodes, system.label(), system.interval()));
    let row = |what: &str, unit: &str, value: fn(&Cost) -> f64| {
        let subject = system.subject("footprint", &format!("{nodes} nodes, {what}"), unit);
        let load = format!("every {:?}", system.interval());
        Row::new(subject, costs.iter().map(value).collect(), &circumstances).noting(load)
    };
    Ok(vec![
        row("processor", "% core", |cost| cost.processor_percent),
        row("resident", "MiB", |cost| cost.resident_mib),
        row("packets a node", "/s", |cost| cost.packets),
    ])
}

/// What each node's processes have used, and the packets that passed its port of the switch, both ways.
fn used(lab: &Lab, members: &[String], pids: &[Vec<u32>]) -> Result<Vec<Used>> {
    let text = ip::output(lab.machine(SWITCH_MACHINE), "ip", &["-json", "-statistics", "link", "show"])?;
    let links: Vec<Value> = serde_json::from_str(&text).context("what ip prints is no JSON")?;
    let packets = |node: &String| {
        let link = links.iter().find(|link| link["ifname"] == **node)?;
        let counted = |way: &str| link["stats64"][way]["packets"].as_u64();
        Some(counted("rx")? + counted("tx")?)
    };
    let of_node = |(node, pids): (&String, &Vec<u32>)| {
        Ok(Used {
            processor_ns: pids.iter().map(|&pid| processor_ns(pid)).sum::<Result<u64>>()?,
            packets: packets(node).with_context(|| format!("no statistics of {node}"))?,
        })
    };
    members.iter().zip(pids).map(of_node).collect()
}

/// Time on a processor of all threads of a process, by the scheduler's own account.
fn processor_ns(pid: u32) -> Result<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))?;
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Ok(tasks.filter_map(|task| of_task(task.ok()?)).sum())
}

fn resident_mib(pids: &[u32]) -> Result<f64> {
    let of = |&pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    };
    pids.iter().map(of).sum()
}

/// The rows of what the engine's growth simulation printed; none if it was not run.
fn simulated(run: &Run) -> Result<Vec<Row>> {
    let Some(file) = &run.plan.growth else { return Ok(Vec::new()) };
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let row = |(nodes, heartbeats): (u64, f64)| {
        let scenario = format!("{nodes} nodes, heartbeats a node, simulated");
        let subject = Subject { interval_ms: Some(5.0), ..Subject::new("footprint", &scenario, "afc", "/s") };
        Row::new(subject, vec![heartbeats], &Circumstances::default())
    };
    Ok(growth(&text).into_iter().map(row).collect())
}

/// Nodes, and heartbeats a second and node, of each line of the simulation's table.
fn growth(text: &str) -> Vec<(u64, f64)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("nodes  heartbeats/s")).skip(1);
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    // The test harness has a word in between when it takes long.
    rows.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_simulation_is_read_to_its_end() {
        let text = "running 1 test\n\
            nodes  heartbeats/s  kB/s  announces/s  to service  to lists   took\n\
            test tests::growth has been running for over 60 seconds\n    \
            5          1040   185            4     41.2 ms   55.0 ms   0.1 s\n \
            1000          1544   275           12     43.9 ms         -  40.0 s\n\
            test tests::growth ... ok\n";
        assert_eq!(growth(text), [(5, 1040.0), (1000, 1544.0)]);
        assert_eq!(growth("nothing"), []);
    }

    #[test]
    fn this_process_has_used_a_processor_and_memory() {
        let pid = std::process::id();
        assert!(processor_ns(pid).unwrap() > 0);
        assert!(resident_mib(&[pid]).unwrap() > 0.1);
        assert!(processor_ns(u32::MAX).is_err());
    }
}
