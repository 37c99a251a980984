//! A bounded cache of what was used last, which takes memory as it fills and not before.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// An empty one for at most `most` entries: there may be one for each of many t3s.
pub fn lru_cache<K: Hash + Eq, V>(most: NonZeroUsize) -> LruCache<K, V> {
    let mut cache = LruCache::unbounded();
    cache.resize(most);
    cache
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_as_many_as_it_may() {
        let most = NonZeroUsize::new(3).expect("not zero");
        let mut cache = lru_cache(most);
        for number in 0..9 {
            cache.put(number, ());
        }
        let held: Vec<_> = cache.iter().map(|(number, ())| *number).collect();
        assert_eq!((held, cache.cap()), (vec![8, 7, 6], most));
    }
}
