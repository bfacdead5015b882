#!/usr/bin/env bb
;; What one does with Python from Clojure: with babashka (`bb tour.clj`), or on the JVM (`clojure -M tour.clj`, see
;; deps.edn). Only Python's standard library is used.
(require '[babashka.pods :as pods])
(pods/load-pod ["bascule" "pod" "--format" "edn" "statistics" "json=py.json"])
(require '[statistics] '[py.json] '[py])

(println "mean:" (statistics/mean [1 2 3 4]))
(println "as JSON:" (py.json/dumps {"b" [1 nil] "a" true} :sort-keys true :indent 1))

(py/with-handles [counter (py/ref "collections:Counter" "abracadabra")]
  (println "a handle:" counter)
  (println "most common:" (py/method counter "most_common" 2)))

(println "today is in week" (nth (py/.. (py/import "datetime") date (today) (isocalendar)) 1))
(println "in the background:" @(py/async "math:factorial" 20))
(println "over all workers:" (py/pmap "math:gcd" [12 18 27] [8 12 9]))
(println "Python calls back:" (py/calling "functools:reduce" (fn [sum n] (+ sum n)) (range 10)))

(try (py/call "json:loads" "{nonsense")
     (catch Exception error
       (println "an error:" (:class (py/ex error)) "-" (ex-message error))))
