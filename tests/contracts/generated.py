"""Generated packages, made for a test and imported there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_texts
from bascule.bridge.contracts.writing import carry_out, plan

SHOP = """\
-- | A shop for books.
module Shop where

-- | What a book is bound in.
data Binding = Paperback | HardCover

-- | A line of an order.
data Line = Line { article :: String, count :: Int32 }

data Time {-# FOREIGN python datetime.datetime #-}

-- | A book.
data Book
  = Book
    { id      :: Int32           -- ^ its number
    , title   :: String
    , price   :: Double
    , binding :: Binding
    , note    :: Maybe String
    , lines   :: List Line
    , sold    :: Bool
    , printed :: Time
    }

data Shelf = Shelf { books :: List Book, next :: Maybe Shelf }

-- | Find a book.
findBook :: Int32 -> IO (Maybe Book)
allBooks :: Unit -> IO (List Book)
"""

EXTENDED = """\
{-# EXTENDED #-}
module Plus where

import qualified Other as O

type Price = Decimal
type Pairs a = List (Pair a a)

data Pair a b = Pair { left :: a, right :: b }

data Shape
  = Circle { radius :: Double, tags :: Set String }
  | Polygon { points :: List (Pair Double Double) }
  | Nowhere

data Missing = Missing { what :: String }

data Perhaps = Perhaps { shape :: Maybe Shape, shapes :: List (Maybe Shape) }

data Everything
  = Everything
    { big     :: Int64
    , huge    :: Integer
    , raw     :: Bytes
    , at      :: Timestamp
    , took    :: Duration
    , key     :: Uuid
    , price   :: Price
    , counts  :: Map String Int32
    , byColor :: Map O.Color (List Int32)
    , byNumber :: Map Int64 Bool
    , colors  :: Set O.Color
    , deep    :: Maybe (Maybe String)
    , shape   :: Shape
    , shapes  :: List Shape
    , pairs   :: Pairs Int32
    , color   :: O.Color = Red
    , limit   :: Int32 = 10
    , name    :: Maybe String = Nothing
    }

find  :: Everything -> IO Shape raises Missing
watch :: Int64 -> IO (Stream Shape) raises Missing
look  :: String -> IO Int32 raises Missing
"""

ODD = r"""-- | A module "as odd as it can be"
module Def where

-- | Says "so"
data Class = None | True | Mro -- "quoted"
-- | Ends in \\
data Self = Self
  { self :: Class -- says "so"
    -- | \"""\\"
  , def :: Maybe Self
  , toWire :: List Self
  , cls :: Unit
  }

-- | \"
lambda :: Self -> IO Class
"""

OTHER = "module Other where\ndata Color = Red | DarkGreen\n"


def generate(
    folder: Path, texts: dict[str, str], *, package: str, dialect: Dialect = Dialect.MODERN, runtime: str = ""
) -> Path:
    """Write a whole package with codecs, a server and a client below `folder`."""
    options = PythonOptions(package=package, runtime=runtime or f"{package}.rt", with_server=True, with_client=True)
    files = generate_python(load_texts(texts).require(), options, dialect)
    carry_out(plan(folder, files, None))
    return folder


def importing(folder: Path, *names: str) -> Iterator[tuple[ModuleType, ...]]:
    """Import modules of `folder`, and forget them afterwards; for fixtures."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        yield tuple(importlib.import_module(name) for name in names)
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            del sys.modules[name]
