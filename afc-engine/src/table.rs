//! A small sorted table with typed places: what the hot path uses where a map would allocate or iterate at
//! random.
//!
//! Filled once, at construction; never grows.

use std::{
    marker::PhantomData,
    ops::{Index, IndexMut},
};

/// A place in a table whose rows have keys of type `K`: a node's place cannot be taken for a service's.
#[derive(Debug)]
pub(super) struct At<K>(usize, PhantomData<K>);

impl<K> Clone for At<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for At<K> {}

/// Rows in the order of their keys.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    keys: Vec<K>,
    rows: Vec<V>,
}

impl<K: Copy + Ord, V> Table<K, V> {
    /// Sorts the rows; of two with one key the first stays.
    pub(super) fn new(mut rows: Vec<(K, V)>) -> Self {
        rows.sort_by_key(|(key, _)| *key);
        rows.dedup_by_key(|(key, _)| *key);
        let (keys, rows) = rows.into_iter().unzip();
        Self { keys, rows }
    }

    /// Where the row of a key is.
    pub(super) fn find(&self, key: K) -> Option<At<K>> {
        self.keys.binary_search(&key).ok().map(|place| At(place, PhantomData))
    }

    /// Every place, in the order of the keys.
    pub(super) fn places(&self) -> impl Iterator<Item = At<K>> + Clone + use<K, V> {
        (0..self.rows.len()).map(|place| At(place, PhantomData))
    }

    /// The key of a place.
    pub(super) fn key(&self, at: At<K>) -> K {
        self.keys[at.0]
    }

    /// The row of a key.
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.find(key).map(|at| &self[at])
    }

    /// The rows, in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.keys.iter().copied().zip(&self.rows)
    }

    /// The rows, to change.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut()
    }
}

impl<K, V> Index<At<K>> for Table<K, V> {
    type Output = V;

    fn index(&self, at: At<K>) -> &V {
        &self.rows[at.0]
    }
}

impl<K, V> IndexMut<At<K>> for Table<K, V> {
    fn index_mut(&mut self, at: At<K>) -> &mut V {
        &mut self.rows[at.0]
    }
}

/// Place of a node.
pub(super) type NodeAt = At<afc_ebpf::identity::NodeId>;
/// Place of a service.
pub(super) type ServiceAt = At<afc_ebpf::identity::ServiceId>;
