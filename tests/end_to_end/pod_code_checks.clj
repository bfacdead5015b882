;; What one does with the namespace py in Clojure, in every format.
(check true (py/handle? (py/import "math")))
(check "b" (py/attr (py/init "types:SimpleNamespace" {:py/kwargs {:a "b"}}) "a"))
(check "b" (py/.- (py/init "types:SimpleNamespace" {:py/kwargs {:a "b"}}) a))
(check [3 2 1] (py/.. (py/import "builtins") (sorted [1 3 2] :reverse true)))
(check "c-b" (py/.. (py/ref "builtins:str" "a-b") (replace "a" "c")))
(check "SimpleNamespace" (py/.. (py/import "types") SimpleNamespace __name__))

(let [kept (atom nil)]
  (check 2 (py/with-handles [stack (my-mod/Stack 1 2)
                             both (py/op "add" stack stack)]
             (reset! kept [stack both])
             (py/len stack)))
  (doseq [handle @kept]
    (check "handle_lost" (try (py/len handle) (catch clojure.lang.ExceptionInfo error (:kind (ex-data error)))))))
(check "gone" (try (py/with-handles [stack (my-mod/Stack)] (throw (ex-info "gone" {}))) (catch Exception e (ex-message e))))

(let [results (mapv #(py/async "my_mod:add" % :third 1) (range 20))]
  (check (mapv #(+ 3 %) (range 20)) (mapv deref results)))
(check 13 @(py/async 'my-mod/add 1 :third 10))
(let [context "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
  (check 13 (py/traced context 'my-mod/add 1 :third 10))
  (check 13 (py/traced context "my_mod:add" 1 :third 10)))
(check "ValueError: no" (try @(py/async "my_mod:fail" "no") (catch clojure.lang.ExceptionInfo error (ex-message error))))
(let [forever (py/async "my_mod:forever")]
  (check true (py/cancel forever))
  (check "cancelled" (try @forever (catch clojure.lang.ExceptionInfo error (:kind (ex-data error)))))
  (check false (py/cancel forever)))

(let [numbers (atom [])]
  (check :done @(py/stream ["my_mod:count_up" 100] #(swap! numbers conj %)))
  (check (range 100) @numbers))
(let [seen (promise)
      endless (py/stream ["my_mod:count_for_ever"] #(when (= 500 %) (deliver seen %)))]
  (check 500 (deref seen 60000 :late))
  (check true (py/cancel endless))
  (check :cancelled @endless))

(check [1 4 9] (py/calling "builtins:list" (py/calling "my_mod:each" [1 2 3] (fn [x] (* x x)))))
(check [[1 "a"] [2 "b"]] (py/calling "my_mod:each_pair" {"a" 1 "b" 2} (fn [name number] [number name])))
(check "oh no" (try (py/calling "my_mod:each" [1] (fn [_] (throw (ex-info "oh no" {}))))
                 (catch clojure.lang.ExceptionInfo error (last (string/split (ex-message error) #": ")))))
(check "kept" (py/calling "my_mod:key" "kept" :key (fn [x] x)))

(let [error (try (my-mod/chain) (catch Exception error error))]
  (check ["RuntimeError" "KeyError"] [(:class (py/ex error)) (:class (:cause (py/ex error)))])
  (check true (string/includes? (with-out-str (py/print-ex error)) "KeyError"))
  (check "RuntimeError" (:class (py/ex (ex-info "around" {} error)))))

(check [104 105] (mapv int (py/->bytes (py/call "builtins:bytes" [104 105]))))
(check [2 4 6] (py/pmap "my_mod:add" [1 2 3] [1 2 3]))
(check [3 4] (py/scatter "my_mod:add" [1 2] {"progress" false}))
(check [3 4] (py/scatter "my_mod:add" [1 2] :progress false :chunk 1))
(let [realised (atom 0)
      results (py/results "my_mod:add" (map #(do (swap! realised max %) %) (iterate inc 0)))]  ; without end
  (check [] (remove #(= (:value %) (+ 2 (:index %))) (take 3000 results)))
  (check true (< @realised 100000))
  (check true (py/cancel results))
  (check false (py/cancel results)))
(check [] (py/results "my_mod:add" []))
(check (map #(array-map :index % :value (+ 2 %)) (range 100)) (py/results "my_mod:add" (range 100) {"ordered" true}))
(check ["ValueError" nil] (map (comp :class :error) (py/results "math:sqrt" [-1 4] {"ordered" true "errors" "return"})))
(check "ValueError" (try (dorun (py/results "math:sqrt" [4 -1])) (catch clojure.lang.ExceptionInfo error (:class (ex-data error)))))
(let [stacks (mapv my-mod/Stack (range 8))]
  (check (range 8) (map :value (py/results ".items.pop" stacks {"ordered" true})))
  (check (repeat 8 0) (py/scatter ".__len__" stacks {"progress" false})))
(let [stack (my-mod/Stack 1)]
  (check true (string/includes? (pr-str stack) "Stack"))
  (check true (string/includes? (pr-str stack) "py/handle")))
(when (= "edn" format-name)
  (check #inst "2024-02-29T00:00:00.000-00:00" (my-mod/echo #inst "2024-02-29"))
  (check {:a #{1 [2 'x]} nil \a} (let [back (my-mod/echo {:a #{1 [2 'x]} nil \a})] (assoc back nil (first (get back nil)))))
  (check (tagged-literal 'py/date "2024-02-29") (my-mod/today))
  (check (tagged-literal 'py/date "2024-02-29") (my-mod/echo (my-mod/today)))
  (check 13 (my-mod/add 1 :third 10))
  (check "\ud83d\ude00\n\u0000\u007f\"\\" (my-mod/echo "\ud83d\ude00\n\u0000\u007f\"\\"))
  (check true (Double/isNaN (my-mod/odd))))
(when-not (= "json" format-name)
  (let [stack (my-mod/Stack 1)]
    (check 'py/handle (:tag stack))
    (check #{:token :type} (set (keys (:form stack))))
    (check 2 (py/len (py/op "add" stack (edn/read-string {:default tagged-literal} (pr-str stack)))))  ; as it is printed
    (check 2 (py/len (py/op "add" stack (binding [*default-data-reader-fn* tagged-literal] (read-string (pr-str stack))))))
    (check stack (my-mod/echo stack))))
(when (= "transit+json" format-name)
  (check {:a #{1 [2 'x]} nil "a"} (my-mod/echo {:a #{1 [2 'x]} nil \a}))
  (check #inst "2024-02-29" (my-mod/echo #inst "2024-02-29"))
  (check (tagged-literal 'py/date "2024-02-29") (my-mod/today))
  (check (tagged-literal 'py/date "2024-02-29") (my-mod/echo (my-mod/today)))
  (check ["~a" "^b" "`c" "^ "] (my-mod/echo ["~a" "^b" "`c" "^ "]))
  (check (repeat 3 {:repeated-key :repeated-value}) (my-mod/echo (vec (repeat 3 {:repeated-key :repeated-value}))))
  (check [9007199254740993 -9223372036854775808] (my-mod/echo [9007199254740993 -9223372036854775808]))
  (check 13 (my-mod/add 1 :third 10))
  (check true (Double/isNaN (my-mod/odd))))
