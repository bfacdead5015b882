;; A pod's client on the JVM, with the bencode of nREPL, cheshire's JSON and Clojure's own EDN reader: none of them ours.
;; It does what pod libraries do: one thread reads replies for good, and anything that makes it throw ends every call that
;; waits; vars are interned with their metadata; calls come from many threads. Prints one line, OK or what went wrong.
(require '[nrepl.bencode :as bencode]
         '[cheshire.core :as json]
         '[clojure.edn :as edn])
(import '[java.io PushbackInputStream BufferedInputStream])

(def process (.start (doto (ProcessBuilder. ^java.util.List (vec *command-line-args*))
                       (.redirectError java.lang.ProcessBuilder$Redirect/INHERIT))))
(def to-pod (.getOutputStream process))
(def from-pod (PushbackInputStream. (BufferedInputStream. (.getInputStream process))))
(def pending (atom {}))
(def printed (atom []))

(defn text [^bytes bytes] (when bytes (String. bytes "UTF-8")))

(defn write [message]
  (locking to-pod
    (bencode/write-bencode to-pod message)
    (.flush to-pod)))

(defn listen
  "Gives each reply to whom it belongs. Strict: what it does not expect, it throws on."
  []
  (try
    (loop []
      (let [reply (bencode/read-bencode from-pod)
            id (text (get reply "id"))
            status (set (map text (get reply "status")))
            {:keys [value done error]} (get @pending id)]
        (assert id (str "no id: " reply))
        (when-let [out (get reply "out")] (swap! printed conj (text out)))
        (when-let [given (find reply "value")] (value (json/parse-string-strict (text (val given)) true)))
        (when (status "error")
          (let [data (json/parse-string-strict (text (get reply "ex-data")) true)]
            (assert (map? data))
            (error (ex-info (text (get reply "ex-message")) data))))
        (when (and (status "done") (not (status "error"))) (done)))
      (recur))
    (catch java.io.EOFException _ nil)
    (catch Throwable problem
      (println "the reader died:" problem)
      (System/exit 1))))

(defn start [var args handlers]
  (let [id (str (random-uuid))]
    (swap! pending assoc id handlers)
    (write {"op" "invoke" "id" id "var" (str var) "args" (json/generate-string args)})))

(defn invoke [var args]
  (let [result (promise)]
    (start var args {:value #(deliver result [%]) :error #(deliver result %) :done (fn [] (deliver result [nil]))})
    (let [answer (deref result 60000 (ex-info "no answer in time" {}))]
      (if (instance? Throwable answer) (throw answer) (first answer)))))

(write {"op" "describe" "id" "describe"})
(def description (bencode/read-bencode from-pod))
(assert (= "json" (text (get description "format"))))
(doseq [described (get description "namespaces")
        :let [ns-name (symbol (text (get described "name")))]]
  (create-ns ns-name)
  (doseq [var (get described "vars")
          :let [var-name (symbol (text (get var "name")))
                meta (some-> (get var "meta") text edn/read-string)]]
    (intern ns-name (with-meta var-name meta) (fn [& args] (invoke (symbol (str ns-name) (str var-name)) args)))))
(doto (Thread. ^Runnable listen) (.setDaemon true) (.start))

(defmacro check [expected form]
  `(let [got# ~form]
     (when-not (= ~expected got#)
       (println "expected" (pr-str ~expected) "got" (pr-str got#) "from" (pr-str '~form))
       (System/exit 1))))

(defn call [var & args] (apply (deref (or (resolve var) (throw (ex-info (str "no var " var) {})))) args))

(check "Adds \"them\".\n\nAll of them." (:doc (meta (resolve 'my-mod/add))))
(check '([first] [first second] [first second {:py/kwargs {:keys [third]}}]) (:arglists (meta (resolve 'my-mod/add))))
(check 3 (call 'my-mod/add 1))
(check 13 (call 'my-mod/add 1 2 {:py/kwargs {:third 10}}))
(check 3 (call 'my-mod/MAX-SIZE))
(check {:a [1 2.5 nil "ü\n\""]} (call 'my-mod/echo {:a [1 2.5 nil "ü\n\""]}))
(check 65536.0 (call 'py/call "math:pow" 2 16))
(check "[1, 2]" (call 'py/builtin "str" [1 2]))

(let [stack (call 'my-mod/Stack 1 2)]
  (check #{:py/handle :type} (set (keys stack)))
  (check 4 (call 'py/method stack "push-all" 3 4))
  (check [1 2 3 4] (call 'py/list stack))
  (check nil (call 'py/release stack))
  (check "handle_lost" (try (call 'py/len stack) (catch clojure.lang.ExceptionInfo error (:kind (ex-data error))))))

(let [error (try (call 'my-mod/chain) (catch clojure.lang.ExceptionInfo error error))]
  (check "RuntimeError: could not" (ex-message error))
  (check "KeyError" (get-in (ex-data error) [:cause :class])))

(check "said" (call 'my-mod/say))
(check true (boolean (some #{"from print"} (mapcat #(.split ^String % "\n") @printed))))

(let [numbers (atom []) end (promise)]
  (start 'py/stream ["my_mod:count_up" 1000]
         {:value #(swap! numbers conj %) :error #(deliver end %) :done #(deliver end :done)})
  (check :done (deref end 60000 :late))
  (check (range 1000) @numbers))

(check (range 2 402)
       (sort (mapcat deref (doall (for [thread (range 8)]
                                    (future (mapv #(call 'my-mod/add %) (range (* 50 thread) (* 50 (inc thread))))))))))

(swap! pending assoc "shutdown" {:done (fn [])})
(write {"op" "shutdown" "id" "shutdown"})
(check 0 (.waitFor process))
(println "OK")
(shutdown-agents)
