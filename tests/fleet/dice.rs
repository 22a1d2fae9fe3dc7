//! A small generator for the drives: a failing run can be begun again by its seed, though the instants of the machine are its own.

/// xorshift; no crate of random numbers is worth having for it.
pub struct Dice(u64);

impl Dice {
    /// Neighbouring seeds must not give neighbouring dice.
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}
