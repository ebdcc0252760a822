//! The scenario `kill`: node 1 loses power, a passive node takes over; node 1 returns, nothing moves.

use afc_lab::{LabSpec, clock::now_ns, report::millis};
use anyhow::{Result, bail};

use super::{scenario::Play, timeline::Timeline};

/// The node that dies, and its service.
const VICTIM: &str = "n1";
const SERVICE: &str = "web-1";

/// Plays it.
pub(super) fn play(spec: LabSpec, rate_hz: u32, print: &mut dyn FnMut(&str)) -> Result<Timeline> {
    let mut play = Play::start(spec, rate_hz, print)?;
    play.step("every service is at home", |_| Ok(()))?;
    play.step("n1 loses power", |play| {
        let cut_ns = now_ns();
        play.scene.lab.power_cut(VICTIM)?;
        let since = cut_ns..u64::MAX;
        play.wait("a passive node serves web-1", |scene| {
            scene.is_service_up(SERVICE)
                && scene.owners(SERVICE, &since).last().is_some_and(|owner| owner != VICTIM)
        })
    })?;
    let successor = successor(&mut play)?;
    play.step("n1 returns", |play| {
        play.scene.lab.power_on(VICTIM)?;
        play.wait("n1 knows who serves web-1 and everybody hears n1", |scene| {
            let known = scene.lab.agreed_owner(SERVICE, &[VICTIM]);
            known.is_some_and(|owner| owner == successor) && scene.lab.is_whole()
        })
    })?;
    check_that_nothing_moved(&play, &successor)?;
    Ok(play.timeline)
}

/// The node that serves web-1 after the last step, which must be a passive one.
fn successor(play: &mut Play) -> Result<String> {
    let seen = play.last_seen(SERVICE);
    let successor = seen.and_then(|seen| seen.owners.last()).cloned().unwrap_or_default();
    let gap = seen.map(|seen| millis(seen.udp_gap())).unwrap_or_default();
    let homes = play.scene.lab.spec().services.iter().any(|service| service.home == successor);
    if successor.is_empty() || homes {
        bail!("web-1 went to {successor:?}, which is no passive node");
    }
    play.say(&format!("{successor} took web-1 over; the longest UDP gap was {gap} ms"));
    Ok(successor)
}

/// With `preempt = false` a returning home takes nothing back.
fn check_that_nothing_moved(play: &Play, successor: &str) -> Result<()> {
    let owners = play.last_seen(SERVICE).map(|seen| seen.owners.clone()).unwrap_or_default();
    if owners != [successor] {
        bail!("web-1 was to stay with {successor} when n1 returned, but was served by {owners:?}");
    }
    Ok(())
}
