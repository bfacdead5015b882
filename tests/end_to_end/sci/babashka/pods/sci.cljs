;; babashka.pods.sci for the SCI that is in nbb: a pod whose vars are put into a SCI context, over two named pipes, so that
;; a call can wait for its answer. JSON only. What a pod has its client evaluate is evaluated by SCI, as it stands.
(ns babashka.pods.sci
  (:require ["node:child_process" :as processes]
            ["node:fs" :as files]
            [clojure.edn :as edn]
            [clojure.string :as string]
            [sci.core :as sci]))

(def folder (files/mkdtempSync "pod-"))
(def pipes (atom nil))
(def waiting (atom (js/Buffer.alloc 0)))

(defn start [command]
  (let [[to-pod from-pod] (map #(str folder "/" %) ["to" "from"])]
    (processes/execFileSync "mkfifo" #js [to-pod from-pod])
    (processes/spawn "sh" (clj->js (concat ["-c" (str "exec \"$@\" <" to-pod " >" from-pod) "pod"] command))
                     #js {:stdio #js ["ignore" "ignore" "inherit"]})
    (reset! pipes [(files/openSync to-pod "w") (files/openSync from-pod "r")])))

(defn end []
  (run! files/closeSync @pipes)
  (files/rmSync folder #js {:recursive true}))

(defn bencode [value]
  (cond
    (map? value) (str "d" (string/join (mapcat (fn [[k v]] [(bencode k) (bencode v)]) (sort value))) "e")
    :else (str (js/Buffer.byteLength value) ":" value)))

(defn bytes-to [^js buffer at end] (.toString (.subarray buffer at end) "utf8"))

(defn bdecode
  "[value end], nil while it is not whole."
  [^js buffer at]
  (when (< at (.-length buffer))
    (case (bytes-to buffer at (inc at))
      "i" (let [end (.indexOf buffer "e" at)] (when (pos? end) [(js/parseInt (bytes-to buffer (inc at) end)) (inc end)]))
      ("l" "d")
      (loop [found [] here (inc at)]
        (cond (>= here (.-length buffer)) nil
              (= "e" (bytes-to buffer here (inc here)))
              [(if (= "d" (bytes-to buffer at (inc at))) (apply hash-map found) found) (inc here)]
              :else (when-let [[value end] (bdecode buffer here)] (recur (conj found value) end))))
      (let [colon (.indexOf buffer ":" at)
            end (when (pos? colon) (+ colon 1 (js/parseInt (bytes-to buffer at colon))))]
        (when (and end (<= end (.-length buffer))) [(bytes-to buffer (inc colon) end) end])))))

(defn receive []
  (if-let [[value end] (bdecode @waiting 0)]
    (do (swap! waiting (fn [buffer] (.subarray buffer end))) value)
    (let [room (js/Buffer.alloc 65536)
          count (files/readSync (second @pipes) room)]
      (when (zero? count) (throw (ex-info "the pod is gone" {})))
      (reset! waiting (js/Buffer.concat (into-array [@waiting (.subarray room 0 count)])))
      (recur))))

(defn send [message] (files/writeSync (first @pipes) (bencode message)))
(defn read-value [text] (js->clj (js/JSON.parse text) :keywordize-keys true))

(defn invoke [_pod var args]
  (send {"op" "invoke" "id" "1" "var" (str var) "args" (js/JSON.stringify (clj->js args :keyword-fn #(subs (str %) 1)))})
  (loop []
    (let [reply (receive) status (set (get reply "status"))]
      (cond (status "error") (throw (ex-info (get reply "ex-message") (read-value (get reply "ex-data"))))
            (find reply "value") (read-value (get reply "value"))
            :else (recur)))))

;; What programs on the JVM have, and nbb has not.
(intern 'sci.core (with-meta 'binding {:macro true}) (fn [_form _env _bindings & body] (cons 'do body)))
(intern 'clojure.core 'shutdown-agents end)
(def of-the-jvm {'promise (fn [] (atom nil)) 'deliver reset! 'bytes? (constantly false) 'class type})

(defn load-pod [context command]
  (sci/merge-opts context {:namespaces {'clojure.core of-the-jvm} :classes {'Exception js/Error}})
  (start command)
  (send {"op" "describe"})
  (let [namespaces (get (receive) "namespaces")
        pod (get (first namespaces) "name")]
    (doseq [{named "name" vars "vars"} namespaces]
      (doseq [{var-name "name" code "code" meta "meta"} vars :let [sym (symbol named var-name)]]
        (when meta (edn/read-string meta))
        (if code
          (sci/eval-string* context (str "(in-ns '" named ")\n" code))
          (swap! (:env context) assoc-in [:namespaces (symbol named) (symbol var-name)]
                 (fn [& args] (invoke pod sym args))))))
    pod))
