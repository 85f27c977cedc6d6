{-# LANGUAGE OverloadedStrings #-}

-- | A worker in Haskell: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
--
--     apt-get install ghc libghc-zeromq4-haskell-dev
--     ghc -O2 -threaded -outputdir build/worker -o worker worker.hs
--     ./worker ipc://$run/backend.ipc sums
--     hulak task call sums add '{"a": 1, "b": 2}'
--
-- With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
module Main (main) where

import qualified Data.ByteString.Char8 as C
import Data.List (partition)
import GHC.Clock (getMonotonicTime)
import Hulak
import System.Environment (getArgs)
import System.Posix.Process (getProcessID)
import System.ZMQ4

data Worker = Worker
  { dealer :: Socket Dealer,
    service, name :: Value, -- the name: another one after each start
    held :: [(Double, [Value])], -- when a result is due, and the RESULT: id, attempt, done, value
    heard :: Maybe Value, -- the epoch in the broker's last HEARTBEAT
    known, retired :: Bool
  }

main :: IO ()
main = do
  [address, wanted] <- getArgs
  process <- getProcessID
  unique <- getMonotonicTime
  withContext $ \context -> withSocket context Dealer $ \backend -> do
    setLinger (restrict (1000 :: Int)) backend -- ms
    connectWithKey backend address
    let named = Text (C.pack ("haskell/" ++ show process ++ "/" ++ show unique))
        worker = Worker backend (Text (C.pack wanted)) named [] Nothing False False
    ready worker
    serve 0 worker

-- | Serves until the worker is retired and its tasks have ended; the time is that of the next HEARTBEAT.
serve :: Double -> Worker -> IO ()
serve beatAt worker
  | retired worker && null (held worker) = sendMessage (dealer worker) 'G' [Text "retired"]
  | otherwise = do
    message <- receiveMessage 10 (dealer worker) -- ms
    now <- getMonotonicTime
    after <- maybe (pure worker) (handle now worker) message >>= finish now
    if now < beatAt then serve beatAt after else do
      sendMessage (dealer after) 'H' [names after, Nil]
      serve (now + 0.25) after

names :: Worker -> Value
names worker = Array [Array (take 2 result) | (_, result) <- held worker]

ready :: Worker -> IO ()
ready worker = sendMessage (dealer worker) 'Y' [service worker, name worker, number credit, names worker, Map []]
  where
    credit = if retired worker then 0 else 1 :: Int

-- | Takes a message of the broker.
handle :: Double -> Worker -> (Char, Value) -> IO Worker
handle now worker (kind, values) = case kind of
  'H' -> do
    let isKnown = at 1 values == Flag True && maybe True (== at 0 values) (heard worker)
        after = worker {known = isKnown, heard = Just (at 0 values)}
    if isKnown then pure after else after <$ ready after -- the broker answers with HEARTBEAT
  'T' | not (retired worker) -> pure worker {held = (now + ms / 1000, [at 0 values, at 1 values, done, value]) : held worker}
  'X' -> pure worker {retired = True}
  _ -> pure worker -- a retired worker's task goes to another one
  where
    args = at 3 values
    ms = maybe 0 fromInteger (whole (key "ms" args))
    (done, value) = case (at 2 values, key "a" args, key "b" args) of
      (Text "add", Whole a, Whole b) -> (Flag True, Whole (a + b))
      _ -> (Flag False, Map [(Text "code", Text "UNKNOWN_ACTION"), (Text "text", Text "must be add of whole numbers a and b")])

-- | Sends the results that are due, if the broker knows the worker.
finish :: Double -> Worker -> IO Worker
finish now worker = do
  let (due, later) = partition ((\time -> known worker && time <= now) . fst) (held worker)
  mapM_ (sendMessage (dealer worker) 'R' . snd) due
  pure worker {held = later}
