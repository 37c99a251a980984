//! Reproducible text: a vocabulary with a few frequent words, and templates filled from it.

/// Reproducible random numbers (Steele et al., "Fast splittable pseudorandom number generators").
#[derive(Debug)]
pub(super) struct Noise(u64);

/// Words, the first ones being the most frequent.
#[derive(Debug)]
pub(super) struct Vocabulary {
    words: Vec<String>,
    /// The higher, the more frequent the first words.
    skew: i32,
}

impl Noise {
    pub(super) fn new(seed: u64) -> Noise {
        Noise(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From 0 to 1, exclusive.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Vocabulary {
    pub(super) fn new(words: usize, skew: i32, noise: &mut Noise) -> Vocabulary {
        let words = (0..words).map(|_| word(noise)).collect();
        Vocabulary { words, skew }
    }

    /// Appends the template with a word for each `@` and a number below 1,000 for each `#`.
    pub(super) fn fill(&self, template: &str, noise: &mut Noise, out: &mut String) {
        for c in template.chars() {
            match c {
                '@' => out.push_str(self.pick(noise)),
                '#' => out.push_str(&noise.below(1000).to_string()),
                c => out.push(c),
            }
        }
    }

    fn pick(&self, noise: &mut Noise) -> &str {
        let at = noise.unit().powi(self.skew) * self.words.len() as f64;
        &self.words[at as usize]
    }
}

/// One to four syllables.
fn word(noise: &mut Noise) -> String {
    let mut word = String::new();
    for _ in 0..=noise.below(4) {
        word.push(char::from(b"bfghjklmnprstvwz"[noise.below(16)]));
        word.push(char::from(b"aeiou"[noise.below(5)]));
    }
    word
}
