//! What an agent can't start with: one clear sentence, exit status 1, nothing left attached. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "support/room.rs"]
mod room;

use std::{
    fs, os::unix::fs::PermissionsExt, os::unix::process::CommandExt, process::Command, time::Duration,
};

use afc_lab::{
    Lab, LabSpec, Scene, clock::now_ns, hold_for, ip, scene::IN_FLIGHT_NS, wait_for, when_undisturbed,
    xdp_pass,
};

use room::Room;

const SOON: Duration = Duration::from_secs(10);
const NODE: &str = "n1";

/// A lab with `n1`'s configuration written and not started.
fn lab() -> Lab {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    lab.write_config(NODE).unwrap();
    lab
}

/// Replaces something in `n1`'s configuration.
fn edit_config(lab: &Lab, from: &str, to: &str) {
    let file = lab.config_file(NODE);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&file, text.replace(from, to)).unwrap();
}

/// Runs the agent to its end, which must be a refusal that says every one of `words`.
fn assert_refused(command: &mut Command, words: &[&str]) -> String {
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let ended = wait_for("the agent refuses to start", SOON, || child.try_wait().unwrap().is_some());
    if ended.is_err() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{}", said.trim());
    ended.unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let sentences: Vec<_> = said.lines().filter(|line| line.starts_with("afc: ")).collect();
    let [sentence] = sentences[..] else { panic!("not one sentence:\n{said}") };
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in {sentence:?}");
    }
    said
}

/// Checks that nothing of the agent is left: no program on the interface, no pin, no address.
fn assert_nothing_attached(lab: &Lab) {
    let link = ip::output(lab.machine(NODE), "ip", &["-details", "link", "show", "eth0"]).unwrap();
    assert!(!link.contains("xdp"), "{link}");
    assert_nothing_pinned(lab);
}

fn assert_nothing_pinned(lab: &Lab) {
    let mut left: Vec<_> =
        fs::read_dir(lab.bpf_directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // The kernel's own, in every new bpffs.
    left.retain(|name| name != "maps.debug" && name != "progs.debug");
    assert!(left.is_empty(), "{left:?}");
    let addresses = ip::output(lab.machine(NODE), "ip", &["address", "show", "dev", "lo"]).unwrap();
    assert!(!addresses.contains("10.0.0.101"), "{addresses}");
}

#[test]
fn a_key_that_can_not_be_read_is_refused() {
    let lab = lab();
    fs::remove_file(lab.directory().join("cluster.key")).unwrap();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["cluster.key"]);
    assert_nothing_attached(&lab);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let lab = lab();
    let key = lab.directory().join("cluster.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["cluster.key", "600"]);
    assert_nothing_attached(&lab);
}

#[test]
fn a_key_that_is_no_key_is_refused() {
    let lab = lab();
    fs::write(lab.directory().join("cluster.key"), "too short\n").unwrap();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["cluster.key"]);
    assert_nothing_attached(&lab);
}

#[test]
fn a_state_directory_without_room_is_refused() {
    let lab = lab();
    let room = Room::mount(&lab.directory().join(NODE).join("state"), 64);
    room.fill();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["n1/state/", "make room on its file system"]);
    assert_nothing_attached(&lab);
    room.empty();
}

#[test]
fn a_read_only_state_directory_is_refused() {
    let lab = lab();
    let state = lab.directory().join(NODE).join("state");
    let _room = Room::mount(&state, 64);
    room::mount("tmpfs", &state, None, libc::MS_REMOUNT | libc::MS_RDONLY);
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["n1/state/", "mount it writable"]);
    assert_nothing_attached(&lab);
}

#[test]
fn an_interface_that_does_not_exist_is_refused() {
    let lab = lab();
    edit_config(&lab, r#"interfaces = ["eth0"]"#, r#"interfaces = ["eth0", "nosuch0"]"#);
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["nosuch0"]);
    assert_nothing_attached(&lab);
}

#[test]
fn another_xdp_program_in_place_is_refused_and_stays() {
    let lab = lab();
    let other = xdp_pass::attach(lab.machine(NODE), "eth0").unwrap();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &["eth0", "XDP", "lab_pass"]);
    let link = ip::output(lab.machine(NODE), "ip", &["-details", "link", "show", "eth0"]).unwrap();
    assert!(link.contains("xdp"), "the other program is gone: {link}");
    assert_nothing_pinned(&lab);
    drop(other);
    assert_nothing_attached(&lab);
}

#[test]
fn a_process_without_capabilities_is_refused() {
    let lab = lab();
    let mut command = lab.agent_command(NODE).unwrap();
    // SAFETY: prctl with plain numbers, async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            drop_every_capability();
            Ok(())
        })
    };
    assert_refused(&mut command, &["CAP_"]);
    assert_nothing_attached(&lab);
}

/// After the next exec this process has no capability, whoever it runs as. Ends at the first number that the kernel
/// does not know.
fn drop_every_capability() {
    // SAFETY: prctl with plain numbers.
    let drop_one =
        |capability: libc::c_int| unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    let mut capability = 0;
    while drop_one(capability) == 0 {
        capability += 1;
    }
}

#[test]
fn a_second_agent_on_the_same_host_is_refused_and_the_first_serves_on() {
    let lab = lab();
    lab.start_agent(NODE).unwrap();
    wait_for("the first agent runs", SOON, || lab.status(NODE).is_ok()).unwrap();
    assert_refused(&mut lab.agent_command(NODE).unwrap(), &[]);
    assert!(lab.status(NODE).is_ok());
}

#[test]
fn a_second_agent_with_a_state_directory_of_its_own_is_refused_too_and_disturbs_nothing() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), 500).unwrap();
        let lab = &scene.lab;
        let from_ns = now_ns();
        edit_config(lab, "n1/state\"", "n1/state-2\"");
        edit_config(lab, "n1/afc.sock\"", "n1/afc-2.sock\"");
        assert_refused(&mut lab.agent_command(NODE).unwrap(), &[]);
        hold_for("web-1 is served", Duration::from_secs(1), || scene.is_service_up("web-1")).unwrap();
        let window = from_ns..now_ns() - IN_FLIGHT_NS;
        let sight = scene.sight("web-1", &window);
        assert_eq!(scene.owners("web-1", &window), [NODE], "{:?}", sight.phases);
        assert_eq!((sight.gateway.lost, sight.direct.lost), (0, 0), "{sight:?}");
    });
}
