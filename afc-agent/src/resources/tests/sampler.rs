//! A machine made of files, sampled while they change, vanish and lie.

use super::*;
use crate::cluster::record::Pressure;

const HALF: u64 = SECOND / 2;

/// The resources that could not be read, and why.
fn errors(sample: &Sample) -> Vec<(Resource, String)> {
    sample.errors().map(|(resource, error)| (resource, error.to_string())).collect()
}

fn near(figure: &Reading<f64>, expected: f64) -> bool {
    matches!(figure, Ok(Some(figure)) if (figure - expected).abs() < 1e-6)
}

#[test]
fn rates_come_with_the_second_sample() {
    let machine = Machine::new();
    let mut sampler = machine.sampler();
    let first = sampler.sample(SECOND);
    assert!(matches!((&first.cpu, &first.iops), (Ok(None), Ok(None))), "{first:?}");
    assert!(near(&first.load, f64::from(2.63_f32)), "{first:?}");
    assert_eq!(first.memory.as_ref().unwrap().unwrap().total_bytes, 24_684_084 * 1024);
    let Pressure { cpu, memory, io } = first.pressure.unwrap().unwrap();
    assert!([cpu, memory, io].iter().all(|share| (share - 0.045).abs() < 1e-6));
    // 30 ticks of work, 70 of none.
    machine.replace("proc/stat", "cpu  904735 54181 257038 1569309", "cpu  904755 54181 257048 1569379");
    machine.replace("proc/diskstats", "vda 1942712", "vda 1942722");
    let second = sampler.sample(SECOND + HALF);
    assert!(near(&second.cpu, 0.3) && near(&second.iops, 20.0), "{second:?}");
    assert_eq!(errors(&second), []);
}

#[test]
fn a_cgroup_measures_itself() {
    let machine = Machine::new();
    let mut sampler = machine.cgroup_sampler();
    let first = sampler.sample(SECOND);
    let memory = Memory { available_bytes: (256 - 128 + 40) << 20, total_bytes: 256 << 20 };
    assert_eq!(first.memory.as_ref().unwrap(), &Some(memory));
    assert!((first.pressure.as_ref().unwrap().unwrap().io - 0.125).abs() < 1e-6);
    // 100 ms of the 250 ms that half a CPU has in 500 ms; operations of a zram and a loop device do not count.
    machine.replace("cgroup/cpu.stat", "usage_usec 12579650238", "usage_usec 12579750238");
    machine.replace("cgroup/io.stat", "rios=1000 wios=500", "rios=1004 wios=502");
    machine.replace("cgroup/io.stat", "rios=5 wios=5", "rios=500 wios=500");
    machine.replace("cgroup/io.stat", "rios=12", "rios=1200");
    let second = sampler.sample(SECOND + HALF);
    assert!(near(&second.cpu, 0.4) && near(&second.iops, 12.0), "{second:?}");
    assert_eq!(errors(&second), []);
    // Without a quota: of all CPUs. Without the controller too.
    for (step, change) in [(3, Some("max 100000\n")), (4, None)] {
        match change {
            Some(text) => machine.write("cgroup/cpu.max", text),
            None => machine.remove("cgroup/cpu.max"),
        }
        let usage = 12_579_750_238 + 100_000 * (step - 2);
        machine.write("cgroup/cpu.stat", &format!("usage_usec {usage}\n"));
        let sample = sampler.sample(SECOND + HALF * (step - 1));
        assert!(near(&sample.cpu, 0.1), "{change:?} {sample:?}");
    }
    machine.write("cgroup/memory.max", "max\n");
    let machine_memory = machine.sampler().sample(0).memory.unwrap();
    assert_eq!(sampler.sample(5 * SECOND).memory.unwrap(), machine_memory);
}

#[test]
fn a_file_that_vanishes_takes_only_its_own_figure_with_it() {
    for (file, resource) in [
        ("meminfo", Resource::Memory),
        ("stat", Resource::Cpu),
        ("diskstats", Resource::Iops),
        ("loadavg", Resource::Load),
    ] {
        let machine = Machine::new();
        let mut sampler = machine.sampler();
        assert_eq!(errors(&sampler.sample(SECOND)), []);
        let name = format!("proc/{file}");
        let text = fs::read_to_string(machine.path().join(&name)).unwrap();
        machine.remove(&name);
        let path = machine.path().join(&name);
        let message = format!("cannot read {}: No such file or directory (os error 2)", path.display());
        assert_eq!(errors(&sampler.sample(2 * SECOND)), [(resource, message)]);
        machine.write(&name, &text);
        assert_eq!(errors(&sampler.sample(3 * SECOND)), []);
    }
}

#[test]
fn a_cgroup_without_a_controller_says_which_file_is_missing() {
    let machine = Machine::new();
    machine.remove("cgroup/io.stat");
    machine.remove("cgroup/memory.current");
    let found = errors(&machine.cgroup_sampler().sample(0));
    let resources: Vec<_> = found.iter().map(|(resource, _)| *resource).collect();
    assert_eq!(resources, [Resource::Memory, Resource::Iops]);
    assert!(found[1].1.contains("io.stat; enable its controller in the cgroup.subtree_control"), "{found:?}");
    let mut sampler = machine.cgroup_sampler();
    fs::remove_dir_all(machine.path().join("cgroup")).unwrap();
    let gone = errors(&sampler.sample(0));
    assert_eq!(gone.len(), 3, "memory, cpu and iops; the load is the machine's: {gone:?}");
    assert!(gone.iter().all(|(_, message)| message.starts_with("cannot read ")), "{gone:?}");
}

#[test]
fn without_pressure_in_the_kernel_there_is_none_and_no_error() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path().join("proc/pressure")).unwrap();
    let sample = machine.sampler().sample(0);
    assert!(matches!(sample.pressure, Ok(None)), "{sample:?}");
    machine.write("proc/pressure/cpu", "nonsense\n");
    assert_eq!(errors(&machine.sampler().sample(0))[0].0, Resource::Pressure);
}

#[test]
fn pressure_is_read_no_more_often_than_the_kernel_computes_it() {
    let machine = Machine::new();
    let mut sampler = machine.sampler();
    let mut memory_at = |at_ns| sampler.sample(at_ns).pressure.unwrap().unwrap().memory;
    let first = memory_at(SECOND);
    machine.write("proc/pressure/memory", &PRESSURE.replace("avg10=4.50", "avg10=50.00"));
    assert!((memory_at(3 * SECOND - 1) - first).abs() < 1e-9);
    assert!((memory_at(3 * SECOND) - 0.5).abs() < 1e-6);
}

#[test]
fn a_counter_that_goes_back_is_said_once_and_counted_from_there() {
    let machine = Machine::new();
    let (mut whole, mut group) = (machine.sampler(), machine.cgroup_sampler());
    whole.sample(SECOND);
    group.sample(SECOND);
    machine.replace("proc/stat", "cpu  904735", "cpu  4735");
    machine.replace("proc/diskstats", "vda 1942712", "vda 2712");
    machine.replace("cgroup/cpu.stat", "usage_usec 12579650238", "usage_usec 100");
    machine.replace("cgroup/io.stat", "rios=1000", "rios=10");
    for sampler in [&mut whole, &mut group] {
        let found = errors(&sampler.sample(2 * SECOND));
        let resources: Vec<_> = found.iter().map(|(resource, _)| *resource).collect();
        assert_eq!(resources, [Resource::Cpu, Resource::Iops]);
        assert!(found.iter().all(|(_, message)| message.ends_with("so measuring starts anew")), "{found:?}");
    }
    machine.replace("proc/stat", "cpu  4735 54181 257038 1569309", "cpu  4785 54181 257038 1569359");
    machine.replace("proc/diskstats", "vda 2712", "vda 2722");
    machine.replace("cgroup/cpu.stat", "usage_usec 100", "usage_usec 250100");
    machine.replace("cgroup/io.stat", "rios=10 ", "rios=20 ");
    for sampler in [&mut whole, &mut group] {
        let sample = sampler.sample(3 * SECOND);
        assert!(near(&sample.cpu, 0.5) && near(&sample.iops, 10.0), "{sample:?}");
    }
}

#[test]
fn disks_come_and_go_without_a_jump() {
    let machine = Machine::new();
    let mut sampler = machine.sampler();
    let vda = " 254 0 vda 100 0 0 0 0 0 0 0 0 0 0\n";
    machine.write("proc/diskstats", vda);
    sampler.sample(SECOND);
    machine.write("proc/diskstats", &format!("{vda}   8 0 sda 5000 0 0 0 0 0 0 0 0 0 0\n"));
    assert!(near(&sampler.sample(2 * SECOND).iops, 0.0), "its first count is the one to compare with");
    machine.write("proc/diskstats", &format!("{vda}   8 0 sda 5030 0 0 0 0 0 0 0 0 0 0\n"));
    assert!(near(&sampler.sample(3 * SECOND).iops, 30.0));
    machine.write("proc/diskstats", vda);
    assert!(near(&sampler.sample(4 * SECOND).iops, 0.0));
}

#[test]
fn figures_that_cannot_be_are_errors() {
    let machine = Machine::new();
    let mut sampler = machine.cgroup_sampler();
    sampler.sample(SECOND);
    machine.replace("cgroup/cpu.stat", "usage_usec 12579650238", "usage_usec 18446744073709551615");
    machine.replace("cgroup/io.stat", "rios=1000", "rios=18446744073709551615");
    machine.write("proc/loadavg", "nan 0 0 1/2 3\n");
    machine.write("cgroup/memory.stat", "inactive_file \u{fffd}\n");
    machine.write("cgroup/io.pressure", &"some ".repeat(1 << 20));
    let found = errors(&sampler.sample(3 * SECOND));
    let said =
        ["plain text", "more CPU time used", "more operations", "a load that no machine has", "is too long"];
    assert_eq!(found.len(), said.len(), "{found:?}");
    for ((_, message), said) in found.iter().zip(said) {
        assert!(message.contains(said), "{said} is not in {message}");
    }
}

#[test]
fn without_time_between_two_samples_there_is_no_rate() {
    let machine = Machine::new();
    for mut sampler in [machine.sampler(), machine.cgroup_sampler()] {
        sampler.sample(SECOND);
        let again = sampler.sample(SECOND);
        assert!(matches!((&again.cpu, &again.iops), (Ok(None), Ok(None))), "{again:?}");
        let earlier = sampler.sample(SECOND - 1);
        assert!(matches!(earlier.iops, Ok(None)), "{earlier:?}");
    }
}
