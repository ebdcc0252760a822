//! What wakes the fast path: one epoll over its descriptors, a timer on `CLOCK_BOOTTIME`, and an event counter.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// One epoll instance that says only that something happened; the loop looks at all its inputs anyway.
pub struct Wait {
    epoll: OwnedFd,
}

impl Wait {
    /// Waits for any of `sources` to become readable.
    ///
    /// # Errors
    /// Those of `epoll_create1(2)` and `epoll_ctl(2)`.
    pub fn new(sources: &[BorrowedFd<'_>]) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        for source in sources {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
            // SAFETY: both descriptors are open, and `event` lives through the call.
            check(unsafe {
                libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, source.as_raw_fd(), &raw mut event)
            })?;
        }
        Ok(Self { epoll })
    }

    /// Returns when a source is readable, or a signal came.
    ///
    /// # Errors
    /// Those of `epoll_wait(2)` but for `EINTR`.
    pub fn wait(&self) -> io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event, which lives through the call.
        let result = check(unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), &raw mut event, 1, -1) });
        match result {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A timer on `CLOCK_BOOTTIME`.
pub struct Timer {
    descriptor: OwnedFd,
}

impl Timer {
    /// An unarmed timer.
    ///
    /// # Errors
    /// That of `timerfd_create(2)`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let descriptor =
            unsafe { libc::timerfd_create(libc::CLOCK_BOOTTIME, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        Ok(Self { descriptor: owned(descriptor)? })
    }

    /// Expires once, at `at_ns`; at once if that has passed. Takes back an expiry that was not seen yet.
    ///
    /// # Errors
    /// That of `timerfd_settime(2)`.
    pub fn arm(&self, at_ns: u64) -> io::Result<()> {
        // A time of zero would disarm the timer.
        let at_ns = at_ns.max(1);
        let value = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (at_ns / 1_000_000_000) as libc::time_t,
                tv_nsec: (at_ns % 1_000_000_000) as libc::c_long,
            },
        };
        // SAFETY: `value` lives through the call; the old value is not wanted.
        check(unsafe {
            libc::timerfd_settime(
                self.descriptor.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const value,
                std::ptr::null_mut(),
            )
        })?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// An eventfd: wakes the thread or the task at its other end.
pub struct Bell {
    descriptor: OwnedFd,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// That of `eventfd(2)`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self { descriptor: owned(descriptor)? })
    }

    /// Rings. A bell that rings already goes on ringing, so nothing is lost when the counter is full.
    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: writes the eight bytes of `one`.
        let written =
            unsafe { libc::write(self.descriptor.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
        debug_assert!(written == 8 || io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock);
    }

    /// Silences the bell; whether it rang.
    pub fn silence(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: reads at most the eight bytes of `count`.
        let read =
            unsafe { libc::read(self.descriptor.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        read == 8
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn owned(descriptor: libc::c_int) -> io::Result<OwnedFd> {
    check(descriptor)?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_armed_in_the_past_wakes_at_once() {
        let timer = Timer::new().unwrap();
        let wait = Wait::new(&[timer.as_fd()]).unwrap();
        timer.arm(0).unwrap();
        wait.wait().unwrap();
    }

    #[test]
    fn a_bell_wakes_until_it_is_silenced() {
        let bell = Bell::new().unwrap();
        let wait = Wait::new(&[bell.as_fd()]).unwrap();
        assert!(!bell.silence());
        bell.ring();
        bell.ring();
        wait.wait().unwrap();
        assert!(bell.silence());
        assert!(!bell.silence());
    }
}
