//! Makes the floors safe that the fast path asks for, and tells it so.
//!
//! Owner: `agent.rs`, one task; woken by each wish, and each second while the disk fails. Cancelling it loses the wishes
//! that wait, whose floors then stay where they are: the fast path grants and claims only what its floors cover.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use afc_ebpf::identity::ServiceId;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::{error, info};

use crate::{
    heartbeat::mailbox::{Mailbox, Order},
    repository::{PutError, Repository},
};

/// How often the disk is tried again that did not take the floors. A new wish tries it, too.
const RETRY: Duration = Duration::from_secs(1);

/// The floors that are wanted: the highest of each service, so there are no more than services.
#[derive(Debug, Default)]
pub(super) struct WantedFloors {
    counters: Mutex<BTreeMap<ServiceId, u32>>,
    bell: Notify,
}

impl WantedFloors {
    /// Has a floor made safe.
    pub(super) fn want(&self, service: ServiceId, counter: u32) {
        self.put([(service, counter)]);
        self.bell.notify_one();
    }

    fn put(&self, wanted: impl IntoIterator<Item = (ServiceId, u32)>) {
        let mut counters = self.lock();
        for (service, counter) in wanted {
            let highest = counters.entry(service).or_default();
            *highest = counter.max(*highest);
        }
    }

    fn take(&self) -> BTreeMap<ServiceId, u32> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceId, u32>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task.
pub(super) struct FloorTask {
    wanted: Arc<WantedFloors>,
    repository: Arc<Repository>,
    orders: Arc<Mailbox<Order>>,
}

impl FloorTask {
    pub(super) fn new(
        wanted: Arc<WantedFloors>,
        repository: Arc<Repository>,
        orders: Arc<Mailbox<Order>>,
    ) -> Self {
        Self { wanted, repository, orders }
    }

    /// Until it is cancelled, or the repository's writer ended.
    pub(super) async fn run(self) {
        loop {
            let floors = self.wanted.take();
            if floors.is_empty() {
                self.wanted.bell.notified().await;
                continue;
            }
            match self.repository.reserve_all(floors.clone()).await {
                Ok(()) => {
                    let untold = self.tell(floors);
                    if !untold.is_empty() {
                        self.wanted.put(untold);
                        sleep(RETRY).await;
                    }
                }
                // The repository reports it, once.
                Err(PutError::Disk(_)) => {
                    self.wanted.put(floors);
                    let new_wish = timeout(RETRY, self.wanted.bell.notified()).await.is_ok();
                    info!(new_wish, "trying again to make floors safe");
                }
                Err(PutError::Closed) => {
                    error!("the repository's writer has ended: floors stay where they are");
                    return;
                }
            }
        }
    }

    /// Tells the fast path; gives back what it does not take just now, when a busy machine lets orders pile up.
    fn tell(&self, floors: BTreeMap<ServiceId, u32>) -> BTreeMap<ServiceId, u32> {
        let is_untold = |&(service, counter): &(ServiceId, u32)| {
            self.orders.put(Order::FloorReserved { service, counter }).is_err()
        };
        floors.into_iter().filter(is_untold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heartbeat::mailbox, repository::Floor, state::History};

    #[tokio::test]
    async fn a_wanted_floor_is_safe_before_the_fast_path_hears_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, _opened) = Repository::open(dir.path(), History::FirstStart).unwrap();
        let (repository, orders) = (Arc::new(repository), mailbox::orders().unwrap());
        let wanted = Arc::new(WantedFloors::default());
        let service = ServiceId(7);
        wanted.want(service, 2048);
        wanted.want(service, 1024);
        let parts = (Arc::clone(&wanted), Arc::clone(&repository), Arc::clone(&orders));
        let task = tokio::spawn(FloorTask::new(parts.0, parts.1, parts.2).run());
        orders.async_bell().unwrap().readable().await.unwrap().clear_ready();
        assert_eq!(orders.take(), Some(Order::FloorReserved { service, counter: 2048 }));
        assert_eq!(repository.floors().get(service), Some(Floor::Reserved(2048)));
        repository.close();
        wanted.want(service, 4096);
        task.await.unwrap();
        assert_eq!(orders.take(), None);
    }
}
