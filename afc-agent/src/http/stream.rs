//! The stream of server-sent events (WHATWG HTML, "Server-sent events"): `event` for each event with its id, so that a
//! browser that comes back goes on where it was; `lists` at each new version; `status` twice a second.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response, Sse, sse::Event},
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, Interval, interval_at},
};

use super::{HttpSource, api::After};

/// Between two looks at the status.
const STATUS_PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn stream<S: HttpSource>(
    State(source): State<Arc<S>>,
    Query(wanted): Query<After>,
    headers: HeaderMap,
) -> Response {
    // A browser that reconnects says what it had last.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let follower = Follower::new(source, last.unwrap_or(wanted.after));
    ([("x-accel-buffering", "no")], Sse::new(follower.messages())).into_response()
}

struct Follower<S> {
    source: Arc<S>,
    after: u64,
    newest: watch::Receiver<u64>,
    lists: watch::Receiver<u64>,
    looks: Interval,
    /// What is to be sent before anything else is waited for.
    ready: VecDeque<Event>,
}

impl<S: HttpSource> Follower<S> {
    fn new(source: Arc<S>, after: u64) -> Self {
        let (mut newest, mut lists) = (source.events().subscribe(), source.subscribe_lists());
        lists.mark_changed();
        newest.mark_changed();
        let looks = interval_at(Instant::now() + STATUS_PAUSE, STATUS_PAUSE);
        // A page has its frame before what goes into it.
        let ready = VecDeque::from_iter(message("status", &source.status()));
        Self { after, newest, lists, looks, ready, source }
    }

    fn messages(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            loop {
                if let Some(message) = follower.ready.pop_front() {
                    return Some((Ok(message), follower));
                }
                follower.wait().await?;
            }
        })
    }

    /// Waits until there is something to send; nothing when the agent ends.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            _ = self.looks.tick() => self.ready.extend(message("status", &self.source.status())),
            changed = self.lists.changed() => {
                changed.ok()?;
                self.ready.extend(message("lists", &self.source.lists()));
            }
            changed = self.newest.changed() => {
                changed.ok()?;
                self.take_events();
            }
        }
        Some(())
    }

    fn take_events(&mut self) {
        let batch = self.source.events().after(self.after);
        for event in &batch.events {
            self.after = event.id;
            self.ready.extend(message("event", event).map(|message| message.id(event.id.to_string())));
        }
    }
}

/// One message; none of what JSON can't hold, such as an infinite number.
fn message(kind: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(kind).json_data(data).ok()
}
