;; A generated Clojure client over a pod: loads the pod (bencode of nREPL, JSON of cheshire), then the client, and checks
;; what comes back. Arguments: the folder of the clients, then the pod's command. Prints OK, or what went wrong.
(require '[nrepl.bencode :as bencode]
         '[cheshire.core :as json])
(import '[java.io PushbackInputStream BufferedInputStream])

(def clients (first *command-line-args*))
(def process (.start (doto (ProcessBuilder. ^java.util.List (vec (rest *command-line-args*)))
                       (.redirectError java.lang.ProcessBuilder$Redirect/INHERIT))))
(def to-pod (.getOutputStream process))
(def from-pod (PushbackInputStream. (BufferedInputStream. (.getInputStream process))))

(defn text [^bytes bytes] (when bytes (String. bytes "UTF-8")))

(defn write [message]
  (bencode/write-bencode to-pod message)
  (.flush to-pod))

(defn failed [reply]
  (ex-info (text (get reply "ex-message")) (json/parse-string-strict (or (text (get reply "ex-data")) "{}") true)))

(defn invoke [var args]
  (write {"op" "invoke" "id" "1" "var" var "args" (json/generate-string args)})
  (loop [value nil]
    (let [reply (bencode/read-bencode from-pod)
          status (set (map text (get reply "status")))
          value (if-let [given (get reply "value")] (json/parse-string-strict (text given) true) value)]
      (cond
        (status "error") (throw (failed reply))
        (status "done") value
        :else (recur value)))))

(write {"op" "describe" "id" "describe"})
(doseq [described (get (bencode/read-bencode from-pod) "namespaces")
        :let [namespace (symbol (text (get described "name")))]]
  (create-ns namespace)
  (doseq [var (get described "vars") :let [name (symbol (text (get var "name")))]]
    (intern namespace name (fn [& args] (invoke (str namespace "/" name) args)))))

(create-ns 'py)
;; What the pod's own code for Clojure does in a client that takes it: calls back with each value.
(intern 'py 'stream (fn [args callback]
                      (write {"op" "invoke" "id" "2" "var" "py/stream" "args" (json/generate-string args)})
                      (loop []
                        (let [reply (bencode/read-bencode from-pod)
                              status (set (map text (get reply "status")))]
                          (when-let [given (get reply "value")]
                            (callback (json/parse-string-strict (text given) true)))
                          (cond
                            (status "error") (throw (failed reply))
                            (status "done") (delay :done)
                            :else (recur))))))

(doseq [client ["shop_client.clj" "plus_client.clj" "changed/shop_client.clj" "wider/shop_client.clj"]]
  (load-file (str clients "/" client)))

(defmacro check [expected form]
  `(let [got# ~form]
     (when-not (= ~expected got#)
       (println "expected" (pr-str ~expected) "got" (pr-str got#) "from" (pr-str '~form))
       (System/exit 1))))

(check {:id 7 :title "Zoë" :price 9.5 :binding :hard-cover :note nil :lines [{:article "ink" :count 3}] :sold true
        :printed "2024-02-29T00:00:00"}
       (shop-client/find-book 7))
(check nil (shop-client/find-book -1))
(check [1 2] (mapv :id (shop-client/all-books nil)))
(check "Find a book.\n\nTakes Int32, gives Maybe Book." (:doc (meta #'shop-client/find-book)))
(check '([argument]) (:arglists (meta #'shop-client/find-book)))
(check true (try (shop-client/find-book "x") false
                 (catch Exception problem (boolean (re-find #"expected Int32, found" (ex-message problem))))))
(def circles (atom []))
@(plus-client/watch 3 #(swap! circles conj %))
(check [[:circle {:radius 0.0 :tags #{}}] [:circle {:radius 1.0 :tags #{}}] [:circle {:radius 2.0 :tags #{}}]] @circles)
(check '([argument callback]) (:arglists (meta #'plus-client/watch)))
(check 1 (plus-client/look "here"))
(check {:type :plus/missing :value {:what "there"}}
       (try (plus-client/look "there") (catch clojure.lang.ExceptionInfo problem (ex-data problem))))
(check {:type :plus/missing :value {:what "a count"}}
       (try (plus-client/watch -1 identity) (catch clojure.lang.ExceptionInfo problem (ex-data problem))))
(check true (try (changed.shop-client/find-book 7) false
                 (catch Exception problem
                   (boolean (re-find #"find_book: result.*price: it was Double" (ex-message problem))))))
(check 7 (:id (wider.shop-client/find-book 7)))
(println "OK")
(System/exit 0)
