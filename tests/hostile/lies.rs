//! Natures of hosts that several files need.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::host::{Go, Moment, Nature};
use crate::wire::{Conn, Kex, Packet, Then};

/// A host that lies as soon as somebody connects.
pub fn raw(lie: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Nature {
    at(|moment| matches!(moment, Moment::Connected), move |conn, _| lie(conn))
}

/// A host that lies when a moment has come, and then ends the connection.
pub fn at(
    when: impl Fn(&Moment<'_>) -> bool + Send + Sync + 'static,
    lie: impl Fn(&mut Conn, &Moment<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Nature {
    Nature {
        lie: Arc::new(move |conn, moment, _| {
            if when(moment) {
                lie(conn, moment).map(|()| Go::End)
            } else {
                Ok(Go::On)
            }
        }),
        ..Nature::default()
    }
}

/// Sends this, then nothing more, and keeps the connection.
pub fn held(bytes: impl Into<Vec<u8>>) -> Nature {
    let bytes = bytes.into();
    raw(move |conn| {
        conn.raw(&bytes)?;
        conn.drain();
        Ok(())
    })
}

/// Sends this for as long as it is taken.
pub fn flood(bytes: impl Into<Vec<u8>>) -> Nature {
    let bytes = bytes.into();
    raw(move |conn| {
        loop {
            conn.raw(&bytes)?;
        }
    })
}

/// One byte at a time, for ever.
pub fn dribble(bytes: impl Into<Vec<u8>>) -> Nature {
    let bytes = bytes.into();
    raw(move |conn| {
        for byte in bytes.iter().cycle() {
            conn.raw(&[*byte])?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    })
}

pub fn until(packets: usize, then: Then) -> Nature {
    Nature {
        until: Some((packets, then)),
        ..Nature::default()
    }
}

pub fn kex(change: impl FnOnce(&mut Kex)) -> Nature {
    let mut nature = Nature::default();
    change(&mut nature.kex);
    nature
}

/// Messages for as long as they are taken, once the key exchange is through.
pub fn after_kex(message: impl Fn(u32) -> Packet + Send + Sync + 'static) -> Nature {
    at(
        |moment| matches!(moment, Moment::Login(_)),
        move |conn, _| {
            for n in 0.. {
                conn.send(&message(n))?;
            }
            Ok(())
        },
    )
}

/// A host that is honest until the change is sent, then lies, and takes no login afterwards.
pub fn at_change(lie: impl Fn(&mut Conn, &Moment<'_>) -> io::Result<Go> + Send + Sync + 'static) -> Nature {
    Nature {
        lie: Arc::new(move |conn, moment, nth| match moment {
            _ if nth > 0 => Ok(Go::End),
            moment if moment.is_change() => lie(conn, moment),
            _ => Ok(Go::On),
        }),
        ..Nature::default()
    }
}

/// The same, but with a host that is honest whenever somebody logs in again.
pub fn once_at_change(lie: impl Fn(&mut Conn, &Moment<'_>) -> io::Result<Go> + Send + Sync + 'static) -> Nature {
    Nature {
        lie: Arc::new(move |conn, moment, nth| match moment {
            moment if nth == 0 && moment.is_change() => lie(conn, moment),
            _ => Ok(Go::On),
        }),
        ..Nature::default()
    }
}

/// Sends these messages for as long as they are taken, in the background. Not as fast as it could: the machine has other work.
pub fn pour(conn: &Conn, messages: impl Fn(u32) -> Packet + Send + 'static) {
    let out = conn.out.clone();
    std::thread::spawn(move || {
        for n in 0.. {
            if out.lock().unwrap().send(&messages(n)).is_err() {
                return;
            }
            if n % 16 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
}
