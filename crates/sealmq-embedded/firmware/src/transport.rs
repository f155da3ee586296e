//! The UART as a byte stream, and an executor of one task, which sleeps between its polls.

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embassy_time_driver::Driver;
use embedded_io_async::{ErrorType, Read, Write};

use crate::board;
use crate::semihosting::uptime;

struct Time;

impl Driver for Time {
    fn now(&self) -> u64 {
        uptime()
    }

    // The task is polled every millisecond anyway.
    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static TIME: Time = Time);

/// Runs a future to its end. It is made here, so that it is on the stack once, and only until then.
#[inline(never)]
pub fn block_on<F: Future>(make: impl FnOnce() -> F) -> F::Output {
    let mut future = pin!(make());
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        board::idle();
    }
}

/// `None` if the future takes longer than so many milliseconds: it is dropped then.
pub async fn within<F: Future>(milliseconds: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let end = uptime() + milliseconds * 1000;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if uptime() >= end => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// The UART, behind which the emulator has a TCP connection.
pub struct Uart;

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let mut len = 0;
            while let Some((place, byte)) = out
                .get_mut(len)
                .and_then(|place| Some((place, board::read()?)))
            {
                *place = byte;
                len += 1;
            }
            if len == 0 {
                Poll::Pending
            } else {
                Poll::Ready(Ok(len))
            }
        })
        .await
    }
}

impl Write for Uart {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let sent = bytes.iter().take_while(|byte| board::write(**byte)).count();
            if sent == 0 && !bytes.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(sent))
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
