;; The part of a pod's namespace `py` that runs in its client, evaluated on the JVM as pod libraries do it: functions are
;; interned, texts are loaded in the namespace, readers are resolved to vars before these are bound, one thread reads for
;; good and ends at the first thing that it can't read. Values with Clojure's own EDN reader, cheshire, or `transit.clj`.
;; Prints OK.
(require '[nrepl.bencode :as bencode] '[cheshire.core :as json] '[clojure.edn :as edn]
         '[clojure.java.io :as io] '[clojure.string :as string])
(import '[java.io PushbackInputStream BufferedInputStream])

(def format-name (first *command-line-args*))
(def process (.start (doto (ProcessBuilder. ^java.util.List (vec (rest *command-line-args*)))
                       (.redirectError java.lang.ProcessBuilder$Redirect/INHERIT))))
(def to-pod (.getOutputStream process))
(def from-pod (PushbackInputStream. (BufferedInputStream. (.getInputStream process))))
(def pending (atom {}))
(def readers (atom {}))
(def pod-id (atom nil))
(defn text [^bytes bytes] (when bytes (String. bytes "UTF-8")))
(load-file (str (.getParent (io/file *file*)) "/transit.clj"))
(defn write-value [value]
  (case format-name "edn" (pr-str value) "json" (json/generate-string value) "transit+json" (transit/write-text value)))
(defn read-value [written]
  (case format-name
    "edn" (edn/read-string {:readers @readers} written)
    "json" (json/parse-string-strict written true)
    "transit+json" (transit/read-text written)))
(defn write [message] (locking to-pod (bencode/write-bencode to-pod message) (.flush to-pod)))

(create-ns 'babashka.pods)
(intern 'babashka.pods 'invoke
  (fn invoke
    ([pod var args] (invoke pod var args {}))
    ([pod var args {:keys [handlers]}]
     (assert (= @pod-id pod))
     (let [id (str (random-uuid)) result (promise)]
       (swap! pending assoc id
         (or handlers {:success #(deliver result [%]) :done #(deliver result [nil])
                       :error (fn [{:keys [ex-message ex-data]}] (deliver result (ex-info ex-message ex-data)))}))
       (write {"op" "invoke" "id" id "var" (str var) "args" (write-value args)})
       (when-not handlers
         (let [answer (deref result 60000 (ex-info "no answer in time" {}))]
           (if (instance? Throwable answer) (throw answer) (first answer))))))))

(intern 'babashka.pods 'add-transit-read-handler! (fn [tag handler] (swap! transit/read-handlers assoc tag handler)))
(intern 'babashka.pods 'add-transit-write-handler!
  (fn [classes tag rep] (swap! transit/write-handlers into (map (fn [one] [one [tag rep]]) classes))))

(defn listen []
  (try
    (loop []
      (let [reply (bencode/read-bencode from-pod)
            {:keys [success error done]} (get @pending (text (get reply "id")))
            status (set (map text (get reply "status")))]
        (when-let [out (get reply "err")] (binding [*out* *err*] (println (text out))))
        (when-let [value (find reply "value")] (success (read-value (text (val value)))))
        (if (status "error")
          (error {:ex-message (text (get reply "ex-message")) :ex-data (read-value (text (get reply "ex-data")))})
          (when (and (status "done") done) (done))))
      (recur))
    (catch java.io.EOFException _ nil)
    (catch Throwable problem (println "the reader died:" problem) (System/exit 1))))

(write {"op" "describe" "id" "describe"})
(def description (bencode/read-bencode from-pod))
(assert (= format-name (text (get description "format"))))
(reset! pod-id (text (get (first (get description "namespaces")) "name")))
(reset! readers
  (into {} (for [[tag sym] (get description "readers") :let [sym (symbol (text sym))]]
             [(symbol tag) (intern (create-ns (symbol (namespace sym))) (symbol (name sym)))])))
(doseq [described (get description "namespaces") :let [ns-name (symbol (text (get described "name")))]]
  (binding [*ns* (load-string (format "(ns %s) *ns*" ns-name))]
    (doseq [var (get described "vars")
            :let [var-name (symbol (text (get var "name")))
                  meta (some-> (get var "meta") text edn/read-string)]]
      (if-let [code (some-> (get var "code") text)]
        (load-string code)
        (do (ns-unmap *ns* var-name)
            (intern ns-name (with-meta var-name meta)
              (fn [& args]
                ((resolve 'babashka.pods/invoke) @pod-id (symbol (str ns-name) (str var-name)) args))))))))
(dosync (alter @#'clojure.core/*loaded-libs* into (map symbol (map #(text (get % "name")) (get description "namespaces")))))
(doto (Thread. ^Runnable listen) (.setDaemon true) (.start))

(defmacro check [expected form]
  `(let [got# ~form]
     (when-not (= ~expected got#)
       (println "expected" (pr-str ~expected) "got" (pr-str got#) "from" (pr-str '~form))
       (System/exit 1))))

(load-string (slurp (second (string/split (System/getProperty "checks") #"="))))

(write {"op" "shutdown" "id" "end"})
(check 0 (.waitFor process))
(println "OK")
(shutdown-agents)
